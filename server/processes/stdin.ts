import { type Clock } from "../core/clock.js";
import { DomainError } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import { type Keeper, type StdinAnswer } from "./keeper.js";
import { type ProcessRecord } from "./process-record.js";
import { hasEnded } from "./process-state.js";
import { type ProcessTable } from "./process-table.js";
import { type Supervisor } from "./supervisor.js";
import { waitUntil } from "./waiting.js";

/** The most that the keeper takes in one message. */
const CHUNK_BYTES = 64 * 1024;

/** Fills the pipes that workers read. The keeper counts the bytes, so that offsets outlive the daemon. */
export class StdinWriter {
  readonly #table: ProcessTable;
  readonly #keeper: Keeper;
  readonly #supervisor: Supervisor;
  readonly #clock: Clock;

  constructor(table: ProcessTable, keeper: Keeper, supervisor: Supervisor, clock: Clock) {
    this.#table = table;
    this.#keeper = keeper;
    this.#supervisor = supervisor;
    this.#clock = clock;
  }

  /**
   * Writes `data`, whose first byte is number `offset`, as far as it fits within `waitMs` (null: no
   * limit). Resolves to the number of bytes that the pipe has taken in all.
   */
  async write(
    record: ProcessRecord,
    offset: bigint,
    data: Uint8Array,
    waitMs: number | null,
    signal: AbortSignal,
  ): Promise<bigint> {
    const deadlineMs = waitMs === null ? null : this.#clock.now() + waitMs;
    const end = offset + BigInt(data.length);
    let next = offset;
    for (;;) {
      this.#mustBeOpen(record.uid, record);
      const from = Number(next - offset);
      const chunk = data.subarray(from, from + CHUNK_BYTES);
      let ready = false;
      using _watch = this.#supervisor.watchStdin(record.uid, () => {
        ready = true;
      });
      const taken = accepted(await this.#keeper.writeStdin(record.uid, next, chunk), record, next);
      if (taken >= end) return taken;
      const full = taken < next + BigInt(chunk.length);
      next = taken > next ? taken : next;
      if (!full) continue;
      const leftMs = deadlineMs === null ? null : Math.max(0, deadlineMs - this.#clock.now());
      const room = await this.#room(record.uid, () => ready, leftMs, signal);
      if (!room) return next;
    }
  }

  /** The worker reads what is in the pipe, and then the end of file. */
  async close(record: ProcessRecord): Promise<void> {
    if (!record.spec.openStdin) throw notOpen(record);
    // A worker that has ended has no stdin any more: closing that is done.
    if (!hasEnded(record.state)) await this.#keeper.closeStdin(record.uid);
  }

  #mustBeOpen(uid: ProcessUid, original: ProcessRecord): void {
    const record = this.#table.byUid(uid);
    if (!original.spec.openStdin) throw notOpen(original);
    if (record === undefined || hasEnded(record.state)) throw ended(original);
  }

  #room(
    uid: ProcessUid,
    isReady: () => boolean,
    waitMs: number | null,
    signal: AbortSignal,
  ): Promise<boolean> {
    const watch = (onChange: () => void): Disposable => {
      const pipe = this.#supervisor.watchStdin(uid, onChange);
      const table = this.#table.watch(uid, onChange);
      return {
        [Symbol.dispose]: () => {
          pipe[Symbol.dispose]();
          table[Symbol.dispose]();
        },
      };
    };
    let woken = false;
    const holds = (): boolean => {
      const record = this.#table.byUid(uid);
      woken ||= isReady();
      return woken || record === undefined || hasEnded(record.state);
    };
    return waitUntil({ watch, holds }, waitMs, this.#clock, signal);
  }
}

function accepted(answer: StdinAnswer, record: ProcessRecord, offset: bigint): bigint {
  switch (answer.kind) {
    case "accepted":
      return answer.nextOffset;
    case "gap":
      throw new DomainError(
        "offset-gap",
        `stdin of ${record.name} goes on at ${answer.nextOffset}, got bytes from ${offset}`,
        { facts: { next_offset: String(answer.nextOffset) } },
      );
    case "not-open":
      throw notOpen(record);
    case "ended":
      throw ended(record);
  }
}

function notOpen({ name, spec }: ProcessRecord): DomainError {
  return new DomainError(
    "stdin-not-open",
    spec.openStdin
      ? `stdin of ${name} is closed`
      : `${name} was created without open_stdin: its stdin is /dev/null`,
  );
}

function ended({ name }: ProcessRecord): DomainError {
  return new DomainError("process-ended", `${name} has ended`);
}
