import { type ProcessUid } from "../core/ids.js";

/** What a function gave back. */
export type ProcessResult =
  | {
      readonly kind: "value";
      readonly encoding: string;
      readonly data: Uint8Array;
      readonly sizeBytes: number;
    }
  | {
      readonly kind: "exception";
      readonly type: string;
      readonly message: string;
      readonly traceback: string;
      /** The exception itself, where it could be encoded. */
      readonly payload: { readonly encoding: string; readonly data: Uint8Array } | null;
      readonly sizeBytes: number;
    };

/** Results stay where their workers wrote them, until the record goes. */
export interface ProcessResults {
  /**
   * What was written a moment ago, and is in memory: to read it at once costs less than to have it read. Undefined where
   * it is long, null as below.
   */
  recent(uid: ProcessUid): ProcessResult | null | undefined;
  /** Null where there is none: the worker ended otherwise. */
  result(uid: ProcessUid): Promise<ProcessResult | null>;
  /** The same, perhaps without its bytes, of which lists say only how many they are. */
  outline(uid: ProcessUid): Promise<ProcessResult | null>;
}
