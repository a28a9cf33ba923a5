import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where the daemon of this user listens unless it is told otherwise. The client goes by the same
 * rule (client/typescript/address.ts): the two may not import each other.
 */
export function defaultSocketPath(env: Environment, uid: number): string {
  if (uid === 0) return "/run/forkbus/forkbus.sock";
  const runtimeDir = env["XDG_RUNTIME_DIR"];
  if (runtimeDir?.startsWith("/") === true) return join(runtimeDir, "forkbus/forkbus.sock");
  return `/tmp/forkbus-${uid}/forkbus.sock`;
}

/** Where the daemon of this user keeps what outlives it; undefined where there is no home. */
export function defaultStateDir(env: Environment, uid: number): string | undefined {
  if (uid === 0) return "/var/lib/forkbus";
  const stateHome = env["XDG_STATE_HOME"];
  if (stateHome?.startsWith("/") === true) return join(stateHome, "forkbus");
  const home = env["HOME"];
  return home?.startsWith("/") === true ? join(home, ".local/state/forkbus") : undefined;
}
