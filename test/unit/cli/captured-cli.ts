import { PassThrough, Readable, Writable } from "node:stream";
import { CommanderError } from "commander";
import { buildProgram, codeOfCommanderError } from "../../../cli/program.js";
import { Screen } from "../../../cli/screen.js";

export interface Captured {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process, against the daemon at this address, from a directory of its own. */
export async function cli(
  address: string,
  args: readonly string[],
  directory = "/home/me",
): Promise<Captured> {
  const written = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof written): Writable =>
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        written[name] += chunk.toString();
        done();
      },
    });
  const output = (name: keyof typeof written) => ({
    stream: stream(name),
    isTerminal: false,
    columns: undefined,
  });
  let code = 0;
  const argv = ["--address", address, ...args];
  try {
    const program = await buildProgram(argv, {
      env: {},
      uid: 1000,
      screen: new Screen(output("stdout"), output("stderr"), {}),
      stdin: { stream: () => Readable.from([]).pipe(new PassThrough()), isTerminal: true },
      workingDir: () => directory,
      version: "1.2.3",
      finish: (given) => {
        code = given;
      },
    });
    for (const command of [program, ...program.commands]) {
      command.configureOutput({ writeErr: (text) => (written.stderr += text) });
    }
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    code = codeOfCommanderError(error, argv);
  }
  return { code, ...written };
}
