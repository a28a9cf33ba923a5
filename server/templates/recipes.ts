import { type Recipe } from "../processes/fork-servers.js";
import { type Runtime } from "../processes/target.js";
import { type TemplateSpec } from "./template-spec.js";
import { current, type TemplateTable } from "./template-table.js";

/** Of each language, what this daemon is configured with. */
export interface RuntimeProgram {
  readonly interpreter: string;
  /** Options, and the program that the interpreter runs. */
  readonly program: readonly string[];
  readonly forkLibrary: string | null;
}

/** What a template is made of, with all that it has from its parents; parents come first. */
export function recipeOf(
  spec: TemplateSpec,
  table: TemplateTable,
  runtimes: Readonly<Record<Runtime, RuntimeProgram>>,
): Recipe {
  const { interpreter, program, forkLibrary } = runtimes[spec.runtime];
  const parent = spec.parent === null ? undefined : table.byName(spec.parent);
  const base = parent === undefined ? null : recipeOf(current(parent).spec, table, runtimes);
  return {
    runtime: spec.runtime,
    interpreter: spec.interpreter ?? base?.interpreter ?? interpreter,
    program,
    env: { ...base?.env, ...spec.env },
    workingDir: spec.workingDir ?? base?.workingDir ?? null,
    runAs: spec.runAs ?? base?.runAs ?? null,
    modulePath: [...spec.modulePath, ...(base?.modulePath ?? [])],
    preload: [...(base?.preload ?? []), ...spec.preload],
    // Where both have one, a spawned worker calls only its own: it can be told of one.
    init: spec.init ?? base?.init ?? null,
    forkLibrary,
  };
}
