import assert from "node:assert/strict";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Client,
  connect,
  type ProcessOptions,
  type Template,
  TemplateFailedError,
  type TemplateOptions,
} from "../../../client/typescript/index.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { childrenOf } from "../daemon/support/proc-fs.js";
import { FunctionFiles } from "./support/function-files.js";
import { PRELOAD_FAULTS } from "./support/preload-faults.js";

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
    for (const [what, { options, ...fault }] of Object.entries(PRELOAD_FAULTS)) {
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

  for (const [what, fault] of Object.entries(PRELOAD_FAULTS)) {
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
