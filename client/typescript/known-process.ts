import {
  type Process as ProcessMessage,
  ProcessState,
} from "../../proto/gen/forkbus/v1/process.js";
import { type Exit, exitCodeOf, parseExit } from "./exit.js";
import { parseMethod, parseTimings, type StartMethod, type StartTimings } from "./start-facts.js";

export type State = "starting" | "running" | "stopping" | "exited" | "lost" | "unknown";

/** What a handle of a process last learned of it, from any of its calls. */
export class KnownProcess {
  #latest: ProcessMessage | undefined;
  readonly #wantedName: string | undefined;

  constructor(wantedName: string | undefined, latest: ProcessMessage | undefined) {
    this.#wantedName = wantedName;
    this.#latest = latest;
  }

  /** What the daemon last said, as it is on the wire. Throws before `start`, as the properties do that come from it. */
  get latest(): ProcessMessage {
    if (this.#latest === undefined) throw new Error("The process has not been started");
    return this.#latest;
  }

  get isStarted(): boolean {
    return this.#latest !== undefined;
  }

  get name(): string {
    return this.#latest?.name ?? this.#wantedName ?? this.latest.name;
  }

  get uid(): string {
    return this.latest.uid;
  }

  /** Of the worker on the daemon's host, for people: signals go by name. */
  get pid(): number | undefined {
    return this.#latest?.status?.pid;
  }

  /** CPUs to which the kernel says that it is pinned. */
  get cpus(): readonly number[] {
    return this.#latest?.status?.cpus ?? [];
  }

  /** As this handle last learned: `refresh` asks. */
  get state(): State {
    return parseState(this.latest.status?.state);
  }

  /** How it ended, as soon as this handle has learned it: by `join`, `result`, `exited`, `stop`, `isAlive` or `refresh`. */
  get exit(): Exit | undefined {
    const record = this.#latest?.status?.exit;
    return record && parseExit(record);
  }

  /** As in Python, -N for death by signal N; undefined while `exit` is, null when nobody knows: `exit` then says why. */
  get exitCode(): number | null | undefined {
    const { exit } = this;
    return exit && exitCodeOf(exit);
  }

  /** The method used: `spawn` also where a template cannot be forked on that host. */
  get startMethod(): StartMethod | undefined {
    return parseMethod(this.latest.status?.startMethod);
  }

  /** Where the time up to the first line of the function went; undefined until that is known, and for a program. */
  get startTimings(): StartTimings | undefined {
    const timings = this.latest.status?.startTimings;
    return timings && parseTimings(timings);
  }

  /** Whether it had been forked in advance. */
  get warm(): boolean {
    return this.latest.status?.warm ?? false;
  }

  /** Which generation of its template it came from; undefined without a template. */
  get templateGeneration(): number | undefined {
    const generation = Number(this.latest.status?.templateGeneration ?? 0n);
    return generation === 0 ? undefined : generation;
  }

  /** Whether others can be forked from it now, see `worker.serveForks`. */
  get servesForks(): boolean {
    return this.latest.status?.servesForks ?? false;
  }

  /** Limits that nobody enforces, asked for with `bestEffort`: the names of their fields on the wire. */
  get unenforcedLimits(): readonly string[] {
    return this.latest.status?.unenforcedLimits ?? [];
  }

  /** For the methods that ask: answers may overtake each other, and the newest counts. */
  protected learn(process: ProcessMessage | undefined): void {
    if (process === undefined) return;
    if (this.#latest === undefined || process.revision >= this.#latest.revision) {
      this.#latest = process;
    }
  }
}

/** The exit of a process of which the daemon says that it has ended. */
export function exitOf({ name, status }: ProcessMessage): Exit {
  if (status?.exit === undefined) throw new Error(`${name} has ended without an exit record`);
  return parseExit(status.exit);
}

const states: Readonly<Record<number, State>> = {
  [ProcessState.STARTING]: "starting",
  [ProcessState.RUNNING]: "running",
  [ProcessState.STOPPING]: "stopping",
  [ProcessState.EXITED]: "exited",
  [ProcessState.LOST]: "lost",
};

function parseState(state: ProcessState | undefined): State {
  return states[state ?? ProcessState.UNSPECIFIED] ?? "unknown";
}
