import type {
  AdminServiceClient,
  GetServerInfoResponse,
} from "../../proto/gen/forkbus/v1/admin.js";
import type { ProcessServiceClient } from "../../proto/gen/forkbus/v1/process.js";
import type { QueueServiceClient } from "../../proto/gen/forkbus/v1/queue.js";
import { defaultAddress, parseAddress } from "./address.js";
import { type Connection, openConnection, type TlsOptions } from "./connection.js";
import { UnavailableError } from "./errors.js";
import { repeatWhileUnavailable } from "./retry.js";

export interface ConnectOptions {
  /** For `tcp://` addresses. */
  readonly tls?: TlsOptions;
  /**
   * How long calls that may be repeated go on trying when the daemon does not answer, as during its restart. Default
   * 10 000; 0 does not try again.
   */
  readonly reconnectMs?: number;
  /** How long `connect` itself waits for a daemon that is not there. Default 0. */
  readonly connectMs?: number;
  readonly signal?: AbortSignal;
}

const defaultReconnectMs = 10_000;

/** A connection to one daemon. Dispose it to end all that is under way on it; processes run on. */
export class Client implements AsyncDisposable {
  /** What the daemon is and can do, as it said when the connection was made. */
  readonly server: GetServerInfoResponse;
  readonly #connection: Connection;

  constructor(connection: Connection, server: GetServerInfoResponse) {
    this.#connection = connection;
    this.server = server;
  }

  /** In the form that `connect` and FORKBUS_ADDRESS take. */
  get address(): string {
    return this.#connection.address;
  }

  /** The services as they are on the wire: nothing is repeated, and 64-bit numbers are bigints. */
  get processes(): ProcessServiceClient {
    return this.#connection.processes;
  }

  get queues(): QueueServiceClient {
    return this.#connection.queues;
  }

  get admin(): AdminServiceClient {
    return this.#connection.admin;
  }

  /** Ends every call that is under way. Any number of times. */
  async close(): Promise<void> {
    this.#connection.close();
    await Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

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
      () => connection.admin.getServerInfo({}, signal === undefined ? {} : { signal }),
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
  return defaultAddress(process.env, process.getuid?.() ?? 0);
}

function nobodyThere(address: string, cause: UnavailableError): UnavailableError {
  const init = { code: "UNAVAILABLE", cause } as const;
  if (cause.message.includes("EACCES")) {
    return new UnavailableError(`No permission to use the socket of forkbus at ${address}`, init);
  }
  return new UnavailableError(
    `No forkbus daemon at ${address}: is it running? Start one with \`forkbus serve\` (${cause.message})`,
    init,
  );
}
