import { type ProcessUid } from "../core/ids.js";
import { type LogExtent } from "./process-state.js";

export type LogStreamName = "stdout" | "stderr";

/** A position in one stream of output; it never changes its meaning. */
export interface LogOffset {
  readonly epoch: number;
  readonly offset: number;
}

export type LogEvent =
  | {
      readonly kind: "chunk";
      readonly stream: LogStreamName;
      readonly position: LogOffset;
      readonly data: Uint8Array;
    }
  | {
      readonly kind: "gap";
      readonly stream: LogStreamName;
      readonly from: LogOffset;
      readonly to: LogOffset;
      readonly reason: "retention" | "truncated";
    }
  | { readonly kind: "end"; readonly stream: LogStreamName; readonly position: LogOffset };

/** The files that workers write to, as they are now. */
export interface OutputFiles {
  /** A process without this file, such as one whose stderr is merged, has an empty one. */
  open(uid: ProcessUid, stream: LogStreamName): Promise<OutputFile>;
}

export interface OutputFile extends AsyncDisposable {
  /** What can be read; `end` may lie before `begin` when the file was truncated a moment ago. */
  extent(): Promise<LogExtent>;
  /** Fills at most `buffer` from the offset; resolves to the bytes read. */
  read(buffer: Uint8Array, offset: number): Promise<number>;
  /** Calls back when it may have changed, until disposed. */
  watch(onChange: () => void): Disposable;
}
