import { openState } from "./composition/open-state.js";
import { serve } from "./composition/serve.js";
import { type Environment, startWorkers } from "./composition/start-workers.js";
import { type Config } from "./config/config.js";
import { CleanupStack } from "./core/cleanup-stack.js";
import { systemClock } from "./kernel/system-clock.js";
import { type Logger } from "./observability/logger.js";

/** The composition root: starts the parts in order, and stops them in the opposite one. */
export class Daemon implements AsyncDisposable {
  /** Where it listens, with the ports that the kernel chose. */
  readonly addresses: readonly string[];
  readonly #cleanup: CleanupStack;

  private constructor(addresses: readonly string[], cleanup: CleanupStack) {
    this.addresses = addresses;
    this.#cleanup = cleanup;
  }

  /** Resolves when clients are served. What was started is stopped again when a later part fails. */
  static async start(config: Config, log: Logger, env: Environment): Promise<Daemon> {
    const cleanup = new CleanupStack();
    try {
      return new Daemon(await start(config, log, env, cleanup), cleanup);
    } catch (error) {
      await cleanup[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanup[Symbol.asyncDispose]();
  }
}

async function start(
  config: Config,
  log: Logger,
  env: Environment,
  cleanup: CleanupStack,
): Promise<readonly string[]> {
  const startTimeMs = systemClock.wallTime();
  const state = await openState(config.stateDir, log, cleanup);
  const workers = await startWorkers(config, log, env, state, cleanup);
  return serve(config, log, workers, startTimeMs, cleanup);
}
