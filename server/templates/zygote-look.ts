import { type Clock } from "../core/clock.js";
import { type ProcessUid } from "../core/ids.js";
import { type Worker } from "../processes/process-state.js";
import { type Template } from "./template-table.js";
import { type ZygoteFiles } from "./zygote-supervisor.js";

/** What there is to see of a living zygote. */
export interface ZygoteView {
  readonly pid: number;
  /** Wall clock. */
  readonly readyTimeMs: number;
  /** 0 where the daemon may not look. */
  readonly rssBytes: number;
  readonly pssBytes: number;
  readonly stdoutTail: string;
  readonly stderrTail: string;
}

export interface ZygoteLookParts {
  readonly zygotes: { workerOf(uid: ProcessUid): Worker | undefined };
  readonly files: ZygoteFiles;
  /** Null where nobody may look. */
  readonly memory: (
    worker: Worker,
  ) => Promise<{ readonly rssBytes: number; readonly pssBytes: number } | null>;
  readonly clock: Clock;
}

/** Looks at the zygotes that serve. */
export class ZygoteLook {
  readonly #parts: ZygoteLookParts;

  constructor(parts: ZygoteLookParts) {
    this.#parts = parts;
  }

  /** Null where none serves. */
  async at({ state: { serving } }: Template): Promise<ZygoteView | null> {
    const { zygotes, files, memory, clock } = this.#parts;
    const worker = serving === null ? undefined : zygotes.workerOf(serving.uid);
    if (serving === null || worker === undefined) return null;
    const [size, stdoutTail, stderrTail] = await Promise.all([
      memory(worker),
      files.tail(serving.uid, "stdout"),
      files.tail(serving.uid, "stderr"),
    ]);
    return {
      pid: worker.pid,
      readyTimeMs: clock.wallTime() - (clock.now() - serving.sinceMs),
      rssBytes: size?.rssBytes ?? 0,
      pssBytes: size?.pssBytes ?? 0,
      stdoutTail,
      stderrTail,
    };
  }
}
