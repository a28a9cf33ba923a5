import { readFile } from "node:fs/promises";
import { type Command } from "commander";
import { defaultAddress, parseAddress } from "../client/typescript/address.js";
import { type Client } from "../client/typescript/client.js";
import { connect } from "../client/typescript/connect.js";
import { type TlsOptions } from "../client/typescript/connection.js";
import { refuseForeignSocket } from "../client/typescript/socket-owner.js";
import { type Invocation } from "./invocation.js";
import { UsageError } from "./usage-error.js";

/** The options of addConnectionOptions. */
interface ConnectionOptions {
  readonly address?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly insecure?: boolean;
}

/** The address that a command goes to, and what decided it. */
export interface AddressChoice {
  readonly address: string;
  readonly source: "--address" | "$FORKBUS_ADDRESS" | "default";
}

/** `--address`, then `$FORKBUS_ADDRESS`, then the user's own daemon. An address that cannot be read is a UsageError. */
export function chooseAddress(command: Command, invocation: Invocation): AddressChoice {
  const choice = firstAddress(connectionOptions(command).address, invocation);
  try {
    parseAddress(choice.address);
  } catch (error) {
    if (error instanceof TypeError) {
      throw new UsageError(`${choice.source}: ${error.message}`, { cause: error });
    }
    throw error;
  }
  return choice;
}

/** Whether the daemon is on this host, so that directories mean the same to both. */
export function isLocal(address: string): boolean {
  return parseAddress(address).kind === "unix";
}

/** Connects as the options say. The caller closes the client. */
export async function connectToDaemon(command: Command, invocation: Invocation): Promise<Client> {
  const { address, source } = chooseAddress(command, invocation);
  if (source === "default") {
    const parsed = parseAddress(address);
    if (parsed.kind === "unix") refuseForeignSocket(parsed.path, invocation.uid);
  }
  return connect(address, { tls: await tlsOptions(connectionOptions(command)) });
}

function firstAddress(given: string | undefined, invocation: Invocation): AddressChoice {
  if (given !== undefined) return { address: given, source: "--address" };
  const fromEnv = invocation.env["FORKBUS_ADDRESS"];
  if (fromEnv !== undefined && fromEnv !== "") {
    return { address: fromEnv, source: "$FORKBUS_ADDRESS" };
  }
  return { address: defaultAddress(invocation.env, invocation.uid), source: "default" };
}

/** Options before and after the command's name; the nearer one wins. */
function connectionOptions(command: Command): ConnectionOptions {
  const outer = command.parent === null ? {} : connectionOptions(command.parent);
  return { ...outer, ...command.opts<ConnectionOptions>() };
}

async function tlsOptions(options: ConnectionOptions): Promise<TlsOptions> {
  const { tlsCa, tlsCert, tlsKey, insecure } = options;
  if (insecure === true) {
    if (tlsCa !== undefined || tlsCert !== undefined || tlsKey !== undefined) {
      throw new UsageError(
        "--insecure means no TLS, so it does not go with --tls-ca, -cert or -key",
      );
    }
    return { insecure: true };
  }
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new UsageError("--tls-cert and --tls-key go together");
  }
  return {
    ...(tlsCa === undefined ? {} : { ca: await readPem("--tls-ca", tlsCa) }),
    ...(tlsCert === undefined ? {} : { cert: await readPem("--tls-cert", tlsCert) }),
    ...(tlsKey === undefined ? {} : { key: await readPem("--tls-key", tlsKey) }),
  };
}

async function readPem(option: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${option}: the file cannot be read: ${reason}`, { cause: error });
  }
}
