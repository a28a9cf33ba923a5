import { resolve } from "node:path";

/** Where a daemon listens: a Unix socket of this host, or a TCP port. */
export type Address =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly authority: string };

/** The kernel's `sun_path` has 108 bytes, one of which ends the string. */
const maxSocketPathBytes = 107;

/**
 * Where the daemon of this user listens unless it was told otherwise: below `$XDG_RUNTIME_DIR` for a user who has one,
 * `/run` for root, `/tmp` for everybody else. The daemon goes by the same rule.
 */
export function defaultAddress(
  env: Readonly<Record<string, string | undefined>>,
  uid: number,
): string {
  const runtimeDir = env["XDG_RUNTIME_DIR"];
  if (uid === 0) return "unix:/run/forkbus/forkbus.sock";
  if (runtimeDir?.startsWith("/") === true) return `unix:${runtimeDir}/forkbus/forkbus.sock`;
  return `unix:/tmp/forkbus-${uid}/forkbus.sock`;
}

/** Reads `unix:/path`, `/path` or `tcp://host:port`; anything else is a TypeError that names it. */
export function parseAddress(text: string): Address {
  if (text.startsWith("tcp://")) return parseTcp(text);
  if (text.startsWith("unix:")) return parseUnix(text, text.slice("unix:".length));
  if (text.startsWith("/")) return parseUnix(text, text);
  throw new TypeError(
    `An address is unix:/path, /path or tcp://host:port, got ${JSON.stringify(text)}`,
  );
}

/** The one way to write an address, for messages. */
export function formatAddress(address: Address): string {
  return address.kind === "unix" ? `unix:${address.path}` : `tcp://${address.authority}`;
}

function parseUnix(text: string, afterScheme: string): Address {
  const given = afterScheme.startsWith("//") ? afterScheme.slice(2) : afterScheme;
  if (given === "" || given.includes("\0")) {
    throw new TypeError(`The address ${JSON.stringify(text)} has no path of a socket`);
  }
  const path = resolve(given);
  const bytes = Buffer.byteLength(path);
  if (bytes > maxSocketPathBytes) {
    throw new TypeError(
      `A socket's path has at most ${maxSocketPathBytes} bytes, got ${bytes}: ${path}`,
    );
  }
  return { kind: "unix", path };
}

function parseTcp(text: string): Address {
  const match = /^tcp:\/\/((?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5}))\/?$/.exec(text);
  const [, authority, port] = match ?? [];
  if (authority === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new TypeError(`A TCP address is tcp://host:port, got ${JSON.stringify(text)}`);
  }
  return { kind: "tcp", authority };
}
