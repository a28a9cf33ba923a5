import { type Clock } from "../core/clock.js";
import { DomainError } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import { type Keeper } from "./keeper.js";
import { type LogEvent, type LogOffset, type LogStreamName, type OutputFile } from "./output.js";
import { type LogExtent, treeHasEnded } from "./process-state.js";
import { type ProcessTable } from "./process-table.js";
import { findLastLines } from "./last-lines.js";
import { waitUntil } from "./waiting.js";

const CHUNK_BYTES = 256 * 1024;

export type LogStart =
  | { readonly kind: "beginning" }
  | { readonly kind: "position"; readonly position: LogOffset }
  | { readonly kind: "last-lines"; readonly lines: number };

export interface OutputReaderParts {
  readonly table: ProcessTable;
  readonly keeper: Pick<Keeper, "scanLogs">;
  readonly clock: Clock;
}

/**
 * Reads one stream of one process: every byte that is kept, once and in order, and a gap for every
 * stretch that is not. Reads from the file itself, so that a slow reader costs nobody anything.
 */
export class OutputReader {
  readonly #parts: OutputReaderParts;
  readonly #uid: ProcessUid;
  readonly #stream: LogStreamName;
  readonly #file: OutputFile;

  constructor(parts: OutputReaderParts, uid: ProcessUid, stream: LogStreamName, file: OutputFile) {
    this.#parts = parts;
    this.#uid = uid;
    this.#stream = stream;
    this.#file = file;
  }

  async *read(start: LogStart, follow: boolean, signal: AbortSignal): AsyncIterable<LogEvent> {
    let changed = false;
    let wake = (): void => undefined;
    const note = (): void => {
      changed = true;
      wake();
    };
    using _file = follow ? this.#file.watch(note) : NOT_WATCHED;
    using _process = follow ? this.#parts.table.watch(this.#uid, note) : NOT_WATCHED;
    const first = await this.#extent();
    let cursor = await this.#begin(start, first);
    const stopAt = follow ? null : end(first);
    for (;;) {
      signal.throwIfAborted();
      changed = false;
      const closed = this.#isClosed();
      for await (const event of this.#drain(cursor, stopAt)) {
        cursor = positionAfter(event);
        yield event;
      }
      if (closed || stopAt !== null) break;
      const watched = {
        watch: (onChange: () => void) => {
          wake = onChange;
          return NOT_WATCHED;
        },
        holds: () => changed,
      };
      await waitUntil(watched, null, this.#parts.clock, signal);
    }
    yield { kind: "end", stream: this.#stream, position: cursor };
  }

  /** Nobody writes any more, so that what is read from now on is all. */
  #isClosed(): boolean {
    const record = this.#parts.table.byUid(this.#uid);
    return record === undefined || treeHasEnded(record.state);
  }

  async #begin(start: LogStart, extent: LogExtent): Promise<LogOffset> {
    switch (start.kind) {
      case "beginning":
        return { epoch: extent.epoch, offset: extent.begin };
      case "last-lines":
        return {
          epoch: extent.epoch,
          offset: await findLastLines(this.#file, extent, start.lines),
        };
      case "position":
        if (isAfter(start.position, end(extent))) throw this.#future(start.position, extent);
        return start.position;
    }
  }

  /** Everything from the cursor to the end that there is, or to `stopAt`. */
  async *#drain(from: LogOffset, stopAt: LogOffset | null): AsyncIterable<LogEvent> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    let cursor = from;
    for (;;) {
      const limit = stopAt?.epoch === cursor.epoch ? stopAt.offset - cursor.offset : CHUNK_BYTES;
      const want = Math.max(0, Math.min(limit, CHUNK_BYTES));
      const bytes = await this.#file.read(buffer.subarray(0, want), cursor.offset);
      // Looked at after reading: what retention took meanwhile was read as zeros.
      const extent = await this.#extent(cursor);
      const gap = gapBefore(cursor, extent);
      if (gap !== null) {
        yield { kind: "gap", stream: this.#stream, from: cursor, ...gap };
        cursor = gap.to;
        if (stopAt !== null && isAfter(cursor, stopAt)) return;
        continue;
      }
      if (bytes === 0) return;
      yield {
        kind: "chunk",
        stream: this.#stream,
        position: cursor,
        data: buffer.slice(0, bytes),
      };
      cursor = { epoch: cursor.epoch, offset: cursor.offset + bytes };
    }
  }

  /** When the file is shorter than it was, the keeper is asked to say so at once. */
  async #extent(cursor?: LogOffset): Promise<LogExtent> {
    const extent = await this.#file.extent();
    const known = Math.max(extent.begin, cursor?.epoch === extent.epoch ? cursor.offset : 0);
    if (extent.end >= known) return extent;
    const seen = { epoch: extent.epoch, offset: known };
    await this.#parts.keeper.scanLogs(this.#uid, this.#stream, seen).catch(() => false);
    return this.#file.extent();
  }

  #future(position: LogOffset, extent: LogExtent): DomainError {
    return new DomainError(
      "offset-future",
      `${this.#stream} ends at ${extent.end} (epoch ${extent.epoch}), and ${position.offset} (epoch ${position.epoch}) was asked for`,
      { facts: { end_offset: String(extent.end), epoch: String(extent.epoch) } },
    );
  }
}

const NOT_WATCHED: Disposable = { [Symbol.dispose]: () => undefined };

function gapBefore(
  cursor: LogOffset,
  extent: LogExtent,
): { readonly to: LogOffset; readonly reason: "retention" | "truncated" } | null {
  if (extent.epoch !== cursor.epoch) {
    return { to: { epoch: extent.epoch, offset: extent.begin }, reason: "truncated" };
  }
  // A file that ends before its beginning was truncated, and nobody has noted that yet.
  const begin = Math.min(extent.begin, extent.end);
  if (begin > cursor.offset) {
    return { to: { epoch: extent.epoch, offset: begin }, reason: "retention" };
  }
  // Truncated after the keeper's last look, which can look no more: it goes on where the file ends.
  if (extent.end < cursor.offset) {
    return { to: { epoch: extent.epoch, offset: extent.end }, reason: "truncated" };
  }
  return null;
}

function end({ epoch, end: offset }: LogExtent): LogOffset {
  return { epoch, offset };
}

function isAfter(a: LogOffset, b: LogOffset): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.offset > b.offset);
}

function positionAfter(event: LogEvent): LogOffset {
  switch (event.kind) {
    case "chunk":
      return {
        epoch: event.position.epoch,
        offset: event.position.offset + event.data.length,
      };
    case "gap":
      return event.to;
    case "end":
      return event.position;
  }
}
