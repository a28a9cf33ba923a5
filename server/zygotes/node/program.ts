import { type ModuleLoader } from "./module-loader.js";
import { type OwnThreads } from "./threads.js";

/** What a process has from its start, or from the process that it was forked from. */
export interface Program {
  readonly loader: ModuleLoader;
  readonly threads: OwnThreads;
  /** Files that its template keeps open, by the names that the kernel gives them. */
  readonly keptFiles: readonly string[];
}
