import assert from "node:assert/strict";
import { PassThrough, Readable, Writable } from "node:stream";
import { CommanderError } from "commander";
import { commandNames } from "../../../cli/catalog.js";
import { type Invocation } from "../../../cli/invocation.js";
import { buildProgram, codeOfCommanderError } from "../../../cli/program.js";
import { OutputClosed, Screen } from "../../../cli/screen.js";
import { serverArguments } from "../../../cli/server-arguments.js";

const silent = (): {
  readonly stream: Writable;
  readonly isTerminal: boolean;
  readonly columns: undefined;
} => ({
  stream: new PassThrough(),
  isTerminal: false,
  columns: undefined,
});

const invocation: Invocation = {
  env: {},
  uid: 1000,
  screen: new Screen(silent(), silent(), {}),
  stdin: { stream: () => Readable.from([]), isTerminal: false },
  workingDir: () => "/",
  version: "1.2.3",
  finish: () => undefined,
};

/** What these arguments write, and the code to exit with, for arguments that reach no daemon. */
async function parse(...argv: readonly string[]): Promise<{ code: number; text: string }> {
  const program = await buildProgram(argv, invocation);
  let text = "";
  const write = (part: string): void => {
    text += part;
  };
  for (const command of [
    program,
    ...program.commands,
    ...program.commands.flatMap((c) => c.commands),
  ]) {
    command.configureOutput({ writeOut: write, writeErr: write });
  }
  try {
    await program.parseAsync([...argv], { from: "user" });
    return { code: 0, text };
  } catch (error) {
    assert.ok(error instanceof CommanderError);
    return { code: codeOfCommanderError(error, argv), text };
  }
}

describe("the command line", () => {
  it("lists every command, grouped, whether or not it is loaded", async () => {
    const { code, text } = await parse("--help");
    assert.equal(code, 0);
    for (const name of commandNames) assert.match(text, new RegExp(`^  ${name} .*\\w`, "m"));
    for (const group of ["Workers:", "Queues:", "The daemon:", "Examples:"]) {
      assert.ok(text.includes(`\n${group}\n`), group);
    }
  });

  it("has help for every command, and for those of queue and template", async () => {
    for (const name of commandNames) {
      const { code, text } = await parse(name, "--help");
      assert.equal(code, 0);
      assert.match(text, new RegExp(`^Usage: forkbus ${name} `), text);
    }
    for (const name of ["create", "ls", "stat", "put", "get", "shutdown", "rm"]) {
      const { text } = await parse("queue", name, "--help");
      assert.match(text, new RegExp(`^Usage: forkbus queue ${name} \\[options\\]`), text);
    }
    for (const name of ["create", "ls", "inspect", "rm"]) {
      const { text } = await parse("template", name, "--help");
      assert.match(text, new RegExp(`^Usage: forkbus template ${name} \\[options\\]`), text);
    }
  });

  it("shows its version", async () => {
    assert.deepEqual(await parse("--version"), { code: 0, text: "1.2.3\n" });
  });

  it("suggests what was meant", async () => {
    const { code, text } = await parse("queu");
    assert.equal(code, 2);
    assert.match(
      text,
      /^forkbus: unknown command 'queu'\n\(Did you mean queue\?\)\nTry: forkbus --help/,
    );
  });

  it("suggests nothing that is far from what was typed", async () => {
    const { code, text } = await parse("bogus");
    assert.equal(code, 2);
    assert.match(text, /^forkbus: unknown command 'bogus'\nTry: forkbus --help/);
    assert.match((await parse("ispnect")).text, /\(Did you mean inspect\?\)/);
  });

  it("has help for words of words, and an error for those that there are not", async () => {
    const put = await parse("queue", "put", "--help");
    assert.deepEqual(await parse("help", "queue", "put"), put);
    assert.deepEqual(await parse("queue", "help", "put"), put);
    const bogus = await parse("help", "bogus");
    assert.equal(bogus.code, 2);
    assert.match(bogus.text, /^forkbus: unknown command 'bogus'\n/);
    assert.equal((await parse("help", "run", "bogus")).code, 2);
  });

  it("keeps --stdin and --no-stdin apart", async () => {
    const { code, text } = await parse("run", "-i", "--no-stdin", "cat");
    assert.equal(code, 125);
    assert.match(text, /--stdin and --no-stdin exclude each other/);
  });

  it("keeps its own codes away from those of workers in run and wait, wherever options stand", async () => {
    assert.equal((await parse("run")).code, 125);
    assert.equal((await parse("--address", "unix:/x", "wait", "--nonsense", "a")).code, 125);
    assert.equal((await parse("ps", "--nonsense")).code, 2);
  });
});

describe("serve", () => {
  it("passes exactly what was given on to the server", () => {
    assert.deepEqual(serverArguments({}), []);
    assert.deepEqual(
      serverArguments({ stateDir: "/s", listen: ["unix:/a", "tcp://h:1"], insecure: true }),
      ["--listen", "unix:/a", "--listen", "tcp://h:1", "--state-dir", "/s", "--insecure"],
    );
  });
});

describe("a screen", () => {
  it("says when its reader has gone", async () => {
    const stream = new Writable({
      write: (_chunk, _encoding, done) => {
        done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
      },
    });
    stream.on("error", () => undefined);
    const screen = new Screen({ stream, isTerminal: false, columns: undefined }, silent(), {});
    await assert.rejects(screen.out("x"), OutputClosed);
  });

  it("waits until bytes are on their way", async () => {
    const release: (() => void)[] = [];
    const stream = new Writable({ write: (_chunk, _encoding, done) => release.push(done) });
    const screen = new Screen({ stream, isTerminal: false, columns: undefined }, silent(), {});
    let written = false;
    const writing = screen.out("x").then(() => {
      written = true;
    });
    await Promise.resolve();
    assert.equal(written, false);
    release.forEach((done) => {
      done();
    });
    await writing;
    assert.equal(written, true);
  });
});
