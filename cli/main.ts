#!/usr/bin/env node
import process from "node:process";
import { CommanderError } from "commander";
import { installation } from "./installation.js";
import { type Invocation } from "./invocation.js";
import { buildProgram, codeOfCommanderError } from "./program.js";
import { Screen } from "./screen.js";

async function main(argv: readonly string[]): Promise<number> {
  const { stdout, stderr, env } = process;
  // Failed writes are seen where they are made, in screen.ts; without a listener they would end the program.
  for (const stream of [stdout, stderr]) stream.on("error", () => undefined);
  let code = 0;
  const invocation: Invocation = {
    env,
    uid: process.getuid?.() ?? 0,
    screen: new Screen(
      { stream: stdout, isTerminal: stdout.isTTY, columns: stdout.columns },
      { stream: stderr, isTerminal: stderr.isTTY, columns: stderr.columns },
      env,
    ),
    stdin: { stream: () => process.stdin, isTerminal: process.stdin.isTTY },
    workingDir: () => process.cwd(),
    version: installation().version,
    finish: (given) => {
      code = given;
    },
  };
  try {
    const program = await buildProgram(argv, invocation);
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return codeOfCommanderError(error, argv);
    throw error;
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    // What is still open, such as a terminal that nobody reads any more, must not keep us.
    process.exit(code);
  },
  (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`forkbus: ${message}\n`);
    process.exit(1);
  },
);
