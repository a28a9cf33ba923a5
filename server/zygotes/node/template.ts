import { setEnding } from "./ending.js";
import { decodeArguments, resolveFunction } from "./function-call.js";
import { describeObstacles, lingering } from "./lingering.js";
import { baseOf } from "./module-loader.js";
import { openedSince, openFiles, refusedFiles } from "./open-files.js";
import { type Program } from "./program.js";
import { type FailedReport, type LoadedModule, writeOutcome } from "./result-file.js";
import { selfTest } from "./self-test.js";
import { type ZygoteSpecification } from "./specification.js";
import { ThreadStarters } from "./thread-starters.js";
import { describeThrown } from "./thrown.js";
import { type ZygoteAddon, zygoteAddon } from "./zygote-addon.js";

interface Loaded {
  /** Undefined when this Node cannot be forked, which the report says as well. */
  readonly addon: ZygoteAddon | undefined;
  readonly keptFiles: readonly string[];
}

/**
 * Loads what a template wants loaded, makes sure that children are right afterwards, and reports. Ends the process when the template is at fault.
 */
export async function loadTemplate(
  specification: ZygoteSpecification,
  program: Program,
): Promise<Loaded> {
  const before = openFiles();
  const starters = new ThreadStarters();
  const modules = await loadAll(specification, program, starters);
  const refused = (): readonly string[] => refusedFiles(openedSince(before), specification.keepFds);
  const nameThread = (thread: string): string => starters.nameOf(thread);
  const obstacles = await lingering(program.threads, refused, nameThread);
  const words = describeObstacles(obstacles);
  if (words !== "") {
    const message = `What was loaded has left what children cannot share: ${words}`;
    const { threads, files } = obstacles;
    giveUp({ module: "", exception: null, message, threads, openFiles: files });
  }
  const { addon, why } = await forkable();
  const report = {
    runtime: process.versions.node,
    modules,
    threads: [],
    openFiles: openedSince(before),
  };
  const ready = { ...report, canFork: addon !== undefined, why };
  if (!writeOutcome({ kind: "ready", report: ready })) process.exit(1);
  return { addon, keptFiles: report.openFiles };
}

async function loadAll(
  { preload, init, searchPath, arguments: bytes }: ZygoteSpecification,
  { loader }: Program,
  starters: ThreadStarters,
): Promise<readonly LoadedModule[]> {
  const modules: LoadedModule[] = [];
  const timed = async (name: string, load: () => Promise<unknown>): Promise<void> => {
    const started = performance.now();
    await watched(name, load);
    modules.push({ name, loadUs: Math.round((performance.now() - started) * 1000) });
    starters.look(name);
  };
  for (const name of preload) await timed(name, () => loader.load(name, baseOf(searchPath)));
  if (init !== null) {
    await timed(init.function, async () => {
      const call = await resolveFunction(loader, init.function, searchPath);
      await call(...decodeArguments(init.encoding, bytes));
    });
  }
  return modules;
}

/** Does it; whatever else comes of it is reported as this module's fault, and the end. */
async function watched(module: string, load: () => Promise<unknown>): Promise<void> {
  const nothing = { threads: [], openFiles: [] };
  let uncaught: FailedReport["exception"] = null;
  setEnding({
    uncaught: (thrown) => {
      uncaught = describeThrown(thrown);
    },
    drained: () => undefined,
    exit: (code) => {
      const message =
        uncaught !== null
          ? `${module} threw what nobody caught`
          : `${module} ended the process with code ${code}`;
      writeOutcome({
        kind: "failed",
        report: { module, exception: uncaught, message, ...nothing },
      });
      process.exitCode = 1;
    },
  });
  try {
    await load();
  } catch (thrown) {
    const exception = describeThrown(thrown);
    const message = `${module} cannot be loaded: ${exception.type}: ${exception.message}`;
    setEnding(undefined);
    giveUp({ module, exception, message, ...nothing });
  }
  setEnding(undefined);
}

function giveUp(report: FailedReport): never {
  writeOutcome({ kind: "failed", report });
  process.exit(1);
}

async function forkable(): Promise<{
  readonly addon: ZygoteAddon | undefined;
  readonly why: string;
}> {
  let addon: ZygoteAddon;
  try {
    addon = zygoteAddon();
  } catch (error) {
    return { addon: undefined, why: error instanceof Error ? error.message : String(error) };
  }
  const why = await selfTest(addon);
  return { addon: why === "" ? addon : undefined, why };
}
