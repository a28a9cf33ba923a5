import { BAD_USAGE, ConfigError, readOptions } from "./config/options.js";
import { Daemon } from "./daemon.js";
import { letHeapGrow } from "./kernel/heap-growth.js";
import { buildInfo } from "./observability/build-info.js";
import { createStderrLogger } from "./observability/winston-logger.js";

/** EX_TEMPFAIL of sysexits.h. */
const CANNOT_START = 75;
/** EX_SOFTWARE: a bug. */
const CRASHED = 70;
/** A second signal, before all was done. */
const STOPPED_BY_FORCE = 1;

async function main(): Promise<void> {
  letHeapGrow();
  const config = readOptions(
    process.argv,
    process.env,
    process.getuid?.() ?? 0,
    buildInfo().version,
  );
  const log = createStderrLogger(config.log);
  process.on("uncaughtException", (error) => {
    // State is kept and workers live on: a fresh start is safer than going on.
    log.error("daemon crashed", { error });
    process.exitCode = CRASHED;
    setImmediate(() => process.exit());
  });
  const daemon = await Daemon.start(config, log, process.env);
  await stopSignal();
  log.info("stopping");
  await daemon[Symbol.asyncDispose]();
  log.info("stopped");
}

/** Resolves at the first SIGTERM or SIGINT; the second one, of whichever kind, ends the process at once. */
function stopSignal(): Promise<void> {
  let signals = 0;
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        signals++;
        if (signals > 1) process.exit(STOPPED_BY_FORCE);
        resolve();
      });
    }
  });
}

try {
  await main();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`forkbus serve: ${message}\n`);
  process.exitCode = error instanceof ConfigError ? BAD_USAGE : CANNOT_START;
}
