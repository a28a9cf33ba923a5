import { defaultAddress, parseAddress } from "./address.js";
import { Client } from "./client.js";
import { openConnection, type TlsOptions } from "./connection.js";
import { UnavailableError } from "./errors.js";
import { repeatWhileUnavailable } from "./retry.js";
import { refuseForeignSocket } from "./socket-owner.js";
import { type SignalOption, withSignal } from "./wait-options.js";

export interface ConnectOptions extends SignalOption {
  /** For `tcp://` addresses. */
  readonly tls?: TlsOptions;
  /**
   * How long calls that may be repeated go on trying when the daemon does not answer, as during its restart. Default
   * 10 000; 0 does not try again.
   */
  readonly reconnectMs?: number;
  /** How long `connect` itself waits for a daemon that is not there. Default 0. */
  readonly connectMs?: number;
}

const defaultReconnectMs = 10_000;

/**
 * Connects to a daemon, and asks it who it is. The address is the argument, else `$FORKBUS_ADDRESS`, else the daemon of
 * this user on this host: see `defaultAddress`. Throws UnavailableError when nobody is there.
 */
export async function connect(address?: string, options: ConnectOptions = {}): Promise<Client> {
  const connection = openConnection(
    parseAddress(address ?? addressFromEnvironment()),
    options.tls ?? {},
    {
      reconnectMs: options.reconnectMs ?? defaultReconnectMs,
    },
  );
  const { signal } = options;
  try {
    const server = await repeatWhileUnavailable(
      { reconnectMs: options.connectMs ?? 0 },
      () => connection.admin.getServerInfo({}, withSignal(signal)),
      signal,
    );
    return new Client(connection, server);
  } catch (error) {
    connection.close();
    throw error instanceof UnavailableError && error.reason === ""
      ? nobodyThere(connection.address, error)
      : error;
  }
}

function addressFromEnvironment(): string {
  const address = process.env["FORKBUS_ADDRESS"];
  if (address !== undefined && address !== "") return address;
  const uid = process.getuid?.() ?? 0;
  const found = defaultAddress(process.env, uid);
  const parsed = parseAddress(found);
  if (parsed.kind === "unix") refuseForeignSocket(parsed.path, uid);
  return found;
}

function nobodyThere(address: string, cause: UnavailableError): UnavailableError {
  const init = { code: "UNAVAILABLE", cause } as const;
  if (cause.message.includes("EACCES")) {
    return new UnavailableError(`No permission to use the socket of forkbus at ${address}`, init);
  }
  return new UnavailableError(
    `No forkbus daemon at ${address}: ${advice(address)} (${withoutPlace(cause.message)})`,
    init,
  );
}

function advice(address: string): string {
  if (address.startsWith("tcp:")) return "is it running there?";
  const usual = defaultAddress(process.env, process.getuid?.() ?? 0);
  const serve = address === usual ? "forkbus serve" : `forkbus serve --listen ${address}`;
  return `is it running? Start one with \`${serve}\``;
}

/** The address stands in the sentence already. */
function withoutPlace(message: string): string {
  return /^connect E[A-Z]+/.exec(message)?.[0] ?? message;
}
