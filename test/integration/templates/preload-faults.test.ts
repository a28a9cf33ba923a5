import assert from "node:assert/strict";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Client,
  connect,
  type ProcessOptions,
  type Template,
  TemplateFailedError,
  type TemplateFailure,
  type TemplateOptions,
} from "../../../client/typescript/index.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { childrenOf } from "../daemon/support/proc-fs.js";
import { FunctionFiles } from "./support/function-files.js";

interface Fault {
  readonly python?: string;
  readonly node?: string;
  /** Besides the preload. */
  readonly options?: Partial<TemplateOptions>;
  readonly message: RegExp;
  /** Of the exception; undefined when nothing was raised. */
  readonly raises?: string;
  readonly inDetail?: (failure: TemplateFailure, directory: string) => void;
}

const faults: Readonly<Record<string, Fault>> = {
  "raises, with a traceback": {
    python: "def deep():\n    raise LookupError('no such thing')\ndeep()",
    node: "function deep() { throw new LookupError('no such thing'); }\nclass LookupError extends Error { name = 'LookupError'; }\ndeep();",
    message: /no such thing/,
    raises: "LookupError",
    inDetail: ({ exception, module }) => {
      assert.match(exception?.traceback ?? "", /deep/);
      assert.doesNotMatch(exception?.traceback ?? "", /zygotes\/python|importlib/);
      assert.match(module, /fault/);
    },
  },
  "cannot be parsed": {
    python: "def (:",
    node: "export const = ;",
    message: /SyntaxError/,
    raises: "SyntaxError",
  },
  "needs what is not there": {
    python: "import forkbus_has_no_such_module",
    node: "import 'forkbus-has-no-such-package';",
    message: /forkbus.has.no.such/,
  },
  hangs: {
    python: "import time\ntime.sleep(600)",
    node: "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);",
    options: { preloadTimeoutMs: 1000 },
    message: /not done within 1000 ms/,
  },
  "hangs, and ignores every signal that it can": {
    python: "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)",
    node: "process.on('SIGTERM', () => {});\nAtomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);",
    options: { preloadTimeoutMs: 1000 },
    message: /not done within 1000 ms/,
  },
  "never settles": {
    node: "await new Promise((resolve) => setTimeout(resolve, 600_000));",
    options: { preloadTimeoutMs: 1000 },
    message: /not done within 1000 ms/,
  },
  "leaves a thread": {
    python:
      "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True, name='left-behind').start()",
    node: "import { Worker } from 'node:worker_threads';\nnew Worker('setTimeout(() => {}, 600000)', { eval: true, name: 'left-behind' });\nawait new Promise((resolve) => setTimeout(resolve, 100));",
    message: /thread/,
    inDetail: ({ threads }) => {
      assert.ok(threads.length > 0);
    },
  },
  "leaves a file open": {
    python: "kept = open(__file__ + '.log', 'w')",
    node: "import { openSync } from 'node:fs';\nimport { fileURLToPath } from 'node:url';\nopenSync(fileURLToPath(import.meta.url) + '.log', 'w');",
    message: /\.log/,
    inDetail: ({ openFiles }, directory) => {
      assert.equal(openFiles.length, 1);
      assert.ok(openFiles[0]?.includes(directory), openFiles[0]);
    },
  },
  "leaves a socket open": {
    python: "import socket\nkept = socket.socket()",
    node: "import { createServer } from 'node:net';\nawait new Promise((resolve) => createServer().listen(0, '127.0.0.1', resolve));",
    message: /socket|TCP/i,
  },
  "leaves a pipe open": {
    python: "import os\nkept = os.pipe()",
    message: /pipe/,
    inDetail: ({ openFiles }) => {
      assert.equal(openFiles.length, 2);
    },
  },
  "leaves a timer": {
    node: "setInterval(() => {}, 1000);",
    message: /Timeout|timer/i,
  },
  "leaves a database open": {
    python:
      "import sqlite3\nkept = sqlite3.connect(__file__ + '.db')\nkept.execute('create table t (x)')",
    message: /\.db/,
    inDetail: ({ openFiles }, directory) => {
      assert.equal(openFiles.length, 1);
      assert.ok(openFiles[0]?.includes(directory), openFiles[0]);
    },
  },
  "starts a program that stays": {
    python: "import subprocess\nkept = subprocess.Popen(['sleep', '600'])",
    node: "import { spawn } from 'node:child_process';\nspawn('sleep', ['600'], { stdio: 'ignore' });",
    message: /ProcessWrap|sleep \(\d+\)/,
  },
  "exits by itself": {
    python: "import sys\nsys.exit(3)",
    node: "process.exit(3);",
    message: /SystemExit|ended the process with code 3/,
  },
  "leaves without a word": {
    python: "import os, sys\nprint('last words', file=sys.stderr, flush=True)\nos._exit(3)",
    node: "import { writeSync } from 'node:fs';\nwriteSync(2, 'last words\\n');\nprocess.reallyExit(3);",
    message: /exited with 3/,
    inDetail: ({ stderrTail }) => {
      assert.match(stderrTail, /last words/);
    },
  },
  "kills itself": {
    python: "import os\nos.kill(os.getpid(), 9)",
    node: "process.kill(process.pid, 'SIGKILL');",
    message: /was killed by SIGKILL/,
  },
  crashes: {
    python: "import ctypes\nctypes.string_at(0)",
    node: "process.abort();",
    message: /was killed by SIG(SEGV|ABRT)/,
  },
  "prints without end before it fails": {
    python:
      "import sys\nfor stream in (sys.stdout, sys.stderr):\n    stream.write('x' * (8 << 20) + 'the end')\n    stream.flush()\nraise LookupError('after all')",
    node: "import { writeSync } from 'node:fs';\nfor (const stream of [1, 2]) { writeSync(stream, 'x'.repeat(8 << 20)); writeSync(stream, 'the end'); }\nthrow new Error('after all');",
    message: /after all/,
    inDetail: ({ stderrTail }) => {
      assert.ok(stderrTail.length <= 64 * 1024, String(stderrTail.length));
      assert.match(stderrTail, /the end/);
    },
  },
  "raises what cannot be shown": {
    python:
      "class Bad(Exception):\n    def __str__(self):\n        raise ValueError('no text')\n    __repr__ = __str__\nraise Bad()",
    node: "throw { get message() { throw new Error('no text'); }, toString() { throw new Error('no text'); }, [Symbol.for('nodejs.util.inspect.custom')]() { throw new Error('no text'); } };",
    message: /./,
  },
  "raises with a text without end": {
    python: "raise LookupError('x' * (4 << 20))",
    node: "throw new Error('x'.repeat(4 << 20));",
    message: /xxxx/,
    inDetail: ({ exception }) => {
      assert.ok((exception?.message.length ?? 0) <= 64 * 1024);
    },
  },
  "is followed by an init that raises": {
    python: "def begin(text):\n    raise LookupError(text)",
    node: "export function begin(text) { throw new RangeError(text); }",
    options: { init: { function: "fault:begin", args: ["not today"] } },
    message: /not today/,
  },
  "is followed by an init that is not there": {
    python: "",
    node: "",
    options: { init: { function: "fault:nothing" } },
    message: /nothing/,
  },
  "is followed by an init with arguments that cannot be read": {
    python: "def begin(text):\n    pass",
    node: "export function begin(text) {}",
    options: {
      init: { function: "fault:begin", payload: { data: Buffer.from("{"), encoding: "json" } },
    },
    message: /./,
  },
};

const runtimes = ["python", "node"] as const;

describe("a template that is asked for much", function () {
  this.timeout(60_000);
  let daemon: DaemonHarness;
  let bus: Client;
  let files: FunctionFiles;
  const begun = new Map<string, { template: Template; waiting: Promise<unknown> }>();

  before(async () => {
    daemon = await DaemonHarness.start();
    bus = await connect(daemon.address);
    files = await FunctionFiles.write();
    // All at once: most of the time is spent waiting for those that hang.
    for (const [what, { options, ...fault }] of Object.entries(faults)) {
      for (const runtime of runtimes) {
        const source = fault[runtime];
        if (source === undefined) continue;
        const template = await withPreload(runtime, source, options);
        const waiting = bus.spawn(worker(runtime, template)).catch((error: unknown) => error);
        begun.set(`${what} in ${runtime}`, { template, waiting });
      }
    }
  });

  after(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
    await files[Symbol.asyncDispose]();
  });

  let count = 0;
  /** A template with this one module as its preload. */
  async function withPreload(
    runtime: "python" | "node",
    source: string,
    { init, ...options }: Partial<TemplateOptions> = {},
  ): Promise<Template> {
    const module = `fault${++count}`;
    const path = await files.add(`${module}.${runtime === "python" ? "py" : "mjs"}`, source);
    return bus.templates.create({
      name: `faults/${runtime}-${count}`,
      runtime,
      preload: [runtime === "python" ? module : path],
      modulePath: [files.path],
      ...options,
      ...(init === undefined ? {} : { init: initOf(runtime, init, module) }),
    });
  }

  /** In the table above the module is called `fault`. */
  function initOf(
    runtime: "python" | "node",
    init: NonNullable<TemplateOptions["init"]>,
    module: string,
  ): NonNullable<TemplateOptions["init"]> {
    assert.ok(typeof init === "object" && "function" in init);
    const name = String(init.function).replace("fault:", "");
    const found = runtime === "python" ? `${module}:${name}` : `./${module}.mjs#${name}`;
    return { ...init, function: found };
  }

  /** Any function of the language. */
  function worker(runtime: "python" | "node", template: Template): ProcessOptions {
    const modulePath = [files.path];
    return runtime === "python"
      ? { python: "os:getpid", template, modulePath }
      : { node: "node:os#uptime", template, modulePath };
  }

  for (const [what, fault] of Object.entries(faults)) {
    for (const runtime of runtimes) {
      if (fault[runtime] === undefined) continue;
      it(`fails and says why when a preload in ${runtime} ${what}`, async () => {
        const { template, waiting } = begun.get(`${what} in ${runtime}`) ?? {};
        assert.ok(template && waiting);
        const error = await template
          .ready({ timeoutMs: 30_000 })
          .catch((thrown: unknown) => thrown);
        assert.ok(error instanceof TemplateFailedError, `ready: ${String(error)}`);
        assert.match(error.message, fault.message);
        const { failure } = template;
        assert.ok(failure);
        assert.equal(template.state, "failed");
        if (fault.raises !== undefined) assert.equal(failure.exception?.type, fault.raises);
        fault.inDetail?.(failure, files.path);
        assert.ok((await waiting) instanceof TemplateFailedError, String(await waiting));
        await assert.rejects(bus.spawn(worker(runtime, template)), TemplateFailedError);
        await template.delete();
      });
    }
  }

  for (const [what, interpreter, message] of [
    ["does not exist", "/nowhere/python3", /interpreter .* cannot be run: ENOENT/],
    ["is not in PATH", "python-of-nowhere", /interpreter .* cannot be run: ENOENT/],
    ["may not be run", "/etc/passwd", /EACCES/],
    ["is a directory", "/tmp", /EACCES/],
    ["is another program", "/bin/true", /interpreter \/bin\/true ended .*exited with code 0/],
    ["only says no", "/bin/false", /interpreter \/bin\/false ended .*exited with code 1/],
    ["never says anything", "never", /not done within 1000 ms/],
  ] as const) {
    it(`fails and says why when its interpreter ${what}`, async () => {
      const never = await files.add("never", "#!/bin/sh\nsleep 600\n");
      await chmod(never, 0o755);
      for (const runtime of runtimes) {
        const template = await bus.templates.create({
          name: `interpreters/${runtime}`,
          runtime,
          interpreter: interpreter === "never" ? never : interpreter,
          preloadTimeoutMs: 1000,
        });
        await assert.rejects(template.ready({ timeoutMs: 30_000 }), (error) => {
          assert.ok(error instanceof TemplateFailedError, String(error));
          assert.match(error.message, message);
          if (error.message.includes("cannot be run"))
            assert.ok(error.message.includes(`${interpreter} cannot be run`), error.message);
          return true;
        });
        await template.delete();
      }
    });
  }

  it("is refused when its interpreter is neither absolute nor a mere name", async () => {
    for (const interpreter of ["./python3", "venv/bin/python3", "../python3"]) {
      await assert.rejects(
        bus.templates.create({ name: "relative", runtime: "python", interpreter }),
        { reason: "INVALID_FIELD", message: /absolute path, or a name to look up/ },
      );
    }
  });

  it("keeps open what it was told to, and its workers share it", async () => {
    const log = join(files.path, "shared.log");
    const python = await withPreload(
      "python",
      `import logging\nlogging.basicConfig(filename=${JSON.stringify(log)}, level=logging.INFO)\ndef say(text):\n    logging.info(text)`,
      { keepFds: [log] },
    );
    const node = await withPreload(
      "node",
      `import { openSync, writeSync } from "node:fs";\nconst log = openSync(${JSON.stringify(log)}, "a");\nexport const say = (text) => { writeSync(log, text + "\\n"); };`,
      { keepFds: [log] },
    );
    await python.ready();
    await node.ready();
    assert.deepEqual(python.report?.openFiles.length, 1);
    assert.deepEqual(node.report?.openFiles.length, 1);
    const module = python.report.modules[0]?.name ?? "";
    const path = node.report.modules[0]?.name ?? "";
    await bus.call({ python: `${module}:say`, args: ["from python"], template: python });
    await bus.call({ node: `${path}#say`, args: ["from node"], template: node });
    assert.match(await readFile(log, "utf8"), /from python\n.*from node\n/s);
    await python.delete();
    await node.delete();
  });

  it("is ready when a preload prints, and its workers do not print that again", async () => {
    const text = "x".repeat(1 << 20);
    const python = await withPreload(
      "python",
      `import sys\nsys.stdout.write("unflushed")\nfor i in range(4):\n    print("x" * ${text.length})\nsys.stdout.write("unflushed")\ndef say():\n    print("hello")`,
    );
    const node = await withPreload(
      "node",
      `for (let i = 0; i < 4; i++) console.log("x".repeat(${text.length}));\nexport const say = () => { console.log("hello"); };`,
    );
    await python.ready();
    await node.ready();
    assert.ok((python.report?.stdoutTail.length ?? 0) > 0);
    assert.ok((python.report?.stdoutTail.length ?? 0) <= 64 * 1024);
    const module = python.report?.modules[0]?.name ?? "";
    const path = node.report?.modules[0]?.name ?? "";
    await using one = await bus.spawn({ python: `${module}:say`, template: python });
    await using other = await bus.spawn({ node: `${path}#say`, template: node });
    assert.equal(await one.stdout.text(), "hello\n");
    assert.equal(await other.stdout.text(), "hello\n");
    await python.delete();
    await node.delete();
  });

  it("leaves no process behind when it has failed", async () => {
    const { keeperPid } = daemon;
    assert.ok(keeperPid !== undefined);
    await eventually(
      () => childrenOf(keeperPid),
      (children) => children.length === 0,
      { what: "no child of the keeper to be left" },
    );
    assert.doesNotMatch(daemon.log, /"level":"error"/);
  });
});
