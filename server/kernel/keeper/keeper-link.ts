import { type Clock } from "../../core/clock.js";
import { type Logger } from "../../observability/logger.js";
import { type KeeperEvents } from "../../processes/keeper.js";
import { KeeperConnection } from "./keeper-connection.js";
import { type KeeperClient } from "./keeper-client.js";
import { type KeeperWelcome } from "./keeper-decode.js";
import { type KeeperProgram, startKeeper } from "./keeper-program.js";

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 1000;
/** How long a keeper that was started may take until it answers. */
const START_PATIENCE_MS = 5000;

export interface KeeperLinkParts {
  readonly program: KeeperProgram;
  readonly client: KeeperClient;
  /** Told what the keeper tells. */
  readonly events: KeeperEvents;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Keeps a connection to the keeper for as long as it lives: finds the one that is there, or starts
 * one, or waits for the one that somebody else starts, and begins again when it is lost.
 */
export class KeeperLink implements AsyncDisposable {
  readonly #parts: KeeperLinkParts;
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;

  private constructor(parts: KeeperLinkParts, first: KeeperConnection) {
    this.#parts = parts;
    this.#loop = this.#run(first);
  }

  /** Resolves when the keeper has told of its workers. Rejects when none can be found or started. */
  static async start(parts: KeeperLinkParts): Promise<KeeperLink> {
    return new KeeperLink(parts, await reach(parts, new AbortController().signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("The daemon stops"));
    await this.#loop;
  }

  async #run(first: KeeperConnection): Promise<void> {
    const { signal } = this.#stop;
    const { client, clock, log } = this.#parts;
    const stopping = (): boolean => signal.aborted;
    let connection: KeeperConnection | null = first;
    let pauseMs = FIRST_PAUSE_MS;
    while (!stopping()) {
      if (connection !== null) {
        pauseMs = FIRST_PAUSE_MS;
        const reason = await closedOrStopped(connection, signal);
        connection.destroy();
        client.end();
        if (stopping()) return;
        log.warn("keeper connection lost", { reason: reason?.message });
      }
      try {
        connection = await reach(this.#parts, signal);
      } catch (error) {
        if (stopping()) return;
        connection = null;
        log.error("keeper cannot be reached", { error });
        await clock.sleep(pauseMs, signal).catch(() => undefined);
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
      }
    }
    // It was made at the very moment at which we are told to stop.
    connection?.destroy();
    client.end();
  }
}

async function reach(parts: KeeperLinkParts, signal: AbortSignal): Promise<KeeperConnection> {
  const { program, clock, log } = parts;
  const found = await attempt(parts, signal);
  if (found !== undefined) {
    logConnected(log, "keeper found", found.welcome);
    if (!(await upgraded(parts, found.welcome))) return found.connection;
    found.connection.destroy();
    parts.client.end();
    const renewed = await attempt(parts, signal);
    if (renewed === undefined) throw new Error("The keeper has gone with its upgrade");
    logConnected(log, "keeper upgraded", renewed.welcome);
    return renewed.connection;
  }
  const { launch } = program;
  if (launch === null) log.info("waiting for the keeper", { socket: program.socketPath });
  else await startKeeper(program, launch);
  const deadlineMs = clock.now() + START_PATIENCE_MS;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    await clock.sleep(pauseMs, signal);
    const started = await attempt(parts, signal);
    if (started !== undefined) {
      logConnected(log, launch === null ? "keeper found" : "keeper started", started.welcome);
      return started.connection;
    }
    if (clock.now() > deadlineMs) {
      throw new Error(silence(program));
    }
  }
}

function silence({ socketPath, launch }: KeeperProgram): string {
  const advice = launch === null ? "is it running?" : `see ${launch.logPath}`;
  return `The keeper does not answer at ${socketPath}; ${advice}`;
}

/**
 * A keeper that an earlier release started becomes the one of this release, in place: its workers do
 * not notice. One that refuses goes on as it is.
 */
async function upgraded(
  { program, client, log }: KeeperLinkParts,
  { version }: KeeperWelcome,
): Promise<boolean> {
  if (program.version === null || version === program.version) return false;
  try {
    await client.upgrade(program.path);
    return true;
  } catch (error) {
    log.warn("keeper cannot be upgraded", { from: version, to: program.version, error });
    return false;
  }
}

/** Undefined when nobody listens. A keeper that says nothing is waited for until the signal. */
async function attempt(
  { program, client, events }: KeeperLinkParts,
  signal: AbortSignal,
): Promise<{ connection: KeeperConnection; welcome: KeeperWelcome } | undefined> {
  let connection: KeeperConnection;
  try {
    connection = await KeeperConnection.open(program.socketPath, (frame) => {
      client.notice(frame);
    });
  } catch (error) {
    if (isNobody(error)) return undefined;
    throw error;
  }
  const giveUp = (): void => {
    connection.destroy();
  };
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    return { connection, welcome: await client.begin(connection, events) };
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

function isNobody(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ECONNREFUSED";
}

function logConnected(log: Logger, message: string, welcome: KeeperWelcome): void {
  log.info(message, {
    pid: welcome.pid,
    version: welcome.version,
    instance: welcome.identity.instance,
    cgroup: welcome.cgroup,
  });
}

function closedOrStopped(
  connection: KeeperConnection,
  signal: AbortSignal,
): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const stopped = (): void => {
      resolve(undefined);
    };
    signal.addEventListener("abort", stopped, { once: true });
    void connection.closed.then((reason) => {
      signal.removeEventListener("abort", stopped);
      resolve(reason);
    });
    if (signal.aborted) stopped();
  });
}
