import { FILE_HEADER_BYTES } from "./file-header.js";
import { decodeRecord, findRecord, type LogRecord } from "./record.js";

/** A stretch of a file that holds no readable record although records follow it. */
export interface LostStretch {
  readonly offset: number;
  readonly bytes: number;
}

export interface RecordVisitor {
  record(record: LogRecord, offset: number): void;
  /** Called in file order, between the records around the stretch. */
  lost(stretch: LostStretch): void;
}

/**
 * Visits every whole record before `limit`, in order, stepping over damage.
 *
 * Returns where the last whole record ends. What lies between that and `limit` is a torn tail
 * if the log could have ended here and damage if it could not: only the caller knows.
 */
export function readRecords(
  bytes: Buffer,
  limit: number,
  salt: number,
  visitor: RecordVisitor,
): number {
  let end = FILE_HEADER_BYTES;
  while (end < limit) {
    const next = decodeRecord(bytes, end, limit, salt);
    if (next.kind === "record") {
      visitor.record(next.record, end);
      end = next.end;
      continue;
    }
    const from = next.kind === "damaged" ? next.end : end + 1;
    const resumed = findRecord(bytes, from, limit, salt);
    if (resumed === undefined) return end;
    visitor.lost({ offset: end, bytes: resumed - end });
    end = resumed;
  }
  return end;
}
