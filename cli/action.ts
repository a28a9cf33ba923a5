import { type Command, Option } from "commander";
import { type Client } from "../client/typescript/client.js";
import { connectToDaemon } from "./daemon-connection.js";
import { type FailureCodes } from "./exit-code.js";
import { failureOf } from "./failure.js";
import { type Invocation } from "./invocation.js";

/** What all options of a command have that can write for programs. */
export interface OutputOptions {
  readonly output: "table" | "json";
}

/** `-o json`, for programs. */
export function outputOption(): Option {
  return new Option("-o, --output <format>", "table for people, json for programs")
    .choices(["table", "json"])
    .default("table");
}

/** Runs a command's body on a connection, which is closed afterwards, and finishes with the code that it returns. */
export async function withDaemon(
  invocation: Invocation,
  command: Command,
  codes: FailureCodes,
  body: (client: Client) => Promise<number>,
): Promise<void> {
  await guarded(invocation, command, codes, async () => {
    const client = await connectToDaemon(command, invocation);
    try {
      return await body(client);
    } finally {
      client.close();
    }
  });
}

/** Runs a command's body, and tells what failed in one line on stderr. */
export async function guarded(
  invocation: Invocation,
  command: Command,
  codes: FailureCodes,
  body: () => Promise<number>,
): Promise<void> {
  try {
    invocation.finish(await body());
  } catch (error) {
    const debug = command.optsWithGlobals<{ readonly debug?: boolean }>().debug === true;
    invocation.finish(await report(invocation, error, codes, debug));
  }
}

/** Does the same to each name, one after the other, and goes on where one fails. The code is that of the first failure. */
export async function forEachName(
  invocation: Invocation,
  names: readonly string[],
  codes: FailureCodes,
  body: (name: string) => Promise<void>,
): Promise<number> {
  let code = 0;
  for (const name of names) {
    try {
      await body(name);
    } catch (error) {
      const failure = await report(invocation, error, codes, false);
      if (code === 0) code = failure;
    }
  }
  return code;
}

/** Writes a failure's sentence to stderr, and returns its exit code. */
export async function report(
  invocation: Invocation,
  error: unknown,
  codes: FailureCodes,
  debug: boolean,
): Promise<number> {
  const failure = failureOf(error, codes);
  if (failure.sentence !== undefined) {
    await invocation.screen.err(`forkbus: ${failure.sentence}\n`);
    if (debug && error instanceof Error) await invocation.screen.err(`${error.stack ?? ""}\n`);
  }
  return failure.code;
}
