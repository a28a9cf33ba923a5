import { DomainError } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import { type ProcessTable } from "./process-table.js";
import { hasEnded } from "./process-state.js";
import { type Runtime } from "./target.js";

/** Live workers that offered themselves for forking. */
export class LiveForks {
  readonly #table: ProcessTable;
  /** Python's fork; null where there is none. */
  readonly #forkLibrary: string | null;

  constructor(table: ProcessTable, forkLibrary: string | null) {
    this.#table = table;
    this.#forkLibrary = forkLibrary;
  }

  /** DomainError `process-not-found`, `process-ended`, `invalid-field` (another runtime), `forks-not-served`. */
  find(
    name: string,
    runtime: Runtime,
  ): { readonly server: ProcessUid; readonly forkLibrary: string | null } {
    const record = this.#table.byName(name);
    if (record === undefined) {
      throw new DomainError("process-not-found", `There is no process ${name}`, {
        facts: { name },
      });
    }
    if (hasEnded(record.state)) {
      throw new DomainError(
        "process-ended",
        `Process ${name} has ended: nothing can be forked from it`,
      );
    }
    const { kind } = record.spec.target;
    if (kind !== "exec" && kind !== runtime) {
      throw new DomainError(
        "invalid-field",
        `Process ${name} runs ${kind}, and cannot be forked for ${runtime}`,
        {
          facts: { field: "spec.fork_from", value: name },
        },
      );
    }
    if (!record.servesForks) {
      throw new DomainError(
        "forks-not-served",
        `Process ${name} has not offered itself for forking: it does so with serve_forks()`,
        { facts: { name } },
      );
    }
    return { server: record.uid, forkLibrary: runtime === "python" ? this.#forkLibrary : null };
  }
}
