import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { packageRoot } from "../../server/kernel/package-root.js";
import { modulesOf, nodeUnderTest } from "../support/node-zygote-suite.js";
import { ForkHost, type Hosted, type Wanted } from "./support/fork-host.js";

const SIGTERM = 15;
const DRAW = { function: "./targets.js#given", encoding: "json", resultEncoding: "json" };

const loaded = z.array(z.object({ name: z.string(), loadUs: z.number() }));
type Report = NonNullable<ReturnType<Hosted["result"]>>;

describe("a template of Node's", () => {
  let host: ForkHost;

  beforeEach(() => {
    host = new ForkHost();
  });

  afterEach(() => host[Symbol.asyncDispose]());

  function report(zygote: Hosted): Report {
    const found = zygote.result();
    assert.ok(found !== undefined);
    return found;
  }

  async function failed(wanted: Wanted): Promise<Report> {
    const zygote = host.template(wanted);
    assert.equal(await zygote.code(), 1, zygote.stderr());
    const result = report(zygote);
    assert.equal(result.kind, "failed");
    assert.ok(!zygote.events.some(({ type }) => type === "R"));
    return result;
  }

  it("reports what it has loaded, and how long that took, before it serves", async () => {
    const slow = host.module("slow.mjs", "await new Promise((resolve) => setTimeout(resolve, 50))");
    const zygote = await host.zygote({ preload: ["node:zlib", slow] });
    const { kind, modules, runtime, ...others } = report(zygote);
    assert.equal(kind, "ready");
    const [first, second, ...more] = loaded.parse(modules);
    assert.deepEqual([first?.name, second?.name, more], ["node:zlib", slow, []]);
    const loadUs = second?.loadUs ?? 0;
    assert.ok(loadUs >= 45_000 && loadUs < 5_000_000);
    assert.match(String(runtime), /^\d+\.\d+\.\d+$/);
    assert.deepEqual(others, {
      threads: [],
      openFiles: [],
      canFork: true,
      why: "",
      bytes: 0,
      data: Buffer.alloc(0),
    });
  });

  it("says nothing on stderr of how it loads packages and modules of Node's", async () => {
    const zygote = await host.zygote({ preload: ["node:zlib", "node:path"] });
    assert.equal(zygote.stderr(), "");
  });

  it("calls its init with the arguments, and its children have what that made", async () => {
    const file = host.module(
      "state.mjs",
      "let state = 0; export const set = async (value) => { state = value; }; export const get = () => state;",
    );
    const init = { ...DRAW, function: `${file}#set` };
    const zygote = await host.zygote({ preload: [file], init, given: [41] });
    assert.equal(await host.fork(zygote, `${file}#get`).value(), 41);
    const names = loaded.parse(report(zygote)["modules"]).map(({ name }) => name);
    assert.deepEqual(names, [file, `${file}#set`]);
  });

  it("ends when the keeper has gone", async () => {
    const zygote = await host.zygote();
    host.hangUp(zygote);
    assert.equal(await zygote.code(), 0);
  });

  it("ends by SIGTERM, whatever handlers its preloads install, and its children do not", async () => {
    const handler = host.module(
      "handler.cjs",
      "process.on('SIGTERM', () => process.exit(9)); exports.wait = () => { console.log('up'); return new Promise((r) => setTimeout(r, 60000)); }",
    );
    const zygote = await host.zygote({ preload: [handler] });
    const forked = host.fork(zygote, `${handler}#wait`);
    await forked.saw("L");
    host.kill(zygote, SIGTERM);
    assert.equal(await zygote.code(), -SIGTERM);
    host.kill(forked, SIGTERM);
    assert.equal(await forked.code(), 9);
  });

  it("names the module that throws, with the exception", async () => {
    const module = host.module("throwing.mjs", "throw new RangeError('at loading')");
    const result = await failed({ preload: ["node:fs", module] });
    assert.equal(result["module"], module);
    const { type, message } = { type: "", message: "", ...(result["exception"] ?? {}) };
    assert.deepEqual([type, message], ["RangeError", "at loading"]);
  });

  it("names the module that is not there", async () => {
    const result = await failed({ preload: ["no-such-package"] });
    assert.equal(result["module"], "no-such-package");
    assert.match(String(result["message"]), /no-such-package cannot be loaded: /);
  });

  it("names the module that ends the process, with whatever code", async () => {
    const module = host.module("exiting.cjs", "process.exit(0)");
    const result = await failed({ preload: [module] });
    assert.match(String(result["message"]), /exiting\.cjs ended the process with code 0$/);
  });

  it("names the module whose callback throws", async () => {
    const module = host.module(
      "later.mjs",
      "setTimeout(() => { throw new Error('later') }, 1); await new Promise(() => setTimeout(() => {}, 1e6))",
    );
    const result = await failed({ preload: [module] });
    assert.equal(result["module"], module);
    assert.match(JSON.stringify(result["exception"]), /later/);
  });

  it("names the module that never comes to an end", async () => {
    const module = host.module("endless.mjs", "await new Promise(() => {})");
    const result = await failed({ preload: [module] });
    assert.match(String(result["message"]), /endless\.mjs ended the process with code /);
  });

  it("refuses what is left open in the event loop", async () => {
    const module = host.module(
      "timer.cjs",
      "setInterval(() => {}, 1000); require('net').createServer().listen(0)",
    );
    const result = await failed({ preload: [module], keepFds: ["socket:*"] });
    assert.match(String(result["message"]), /open in the event loop: .*\bTimeout\b/);
    assert.match(String(result["message"]), /TCPServerWrap|TCPSERVERWRAP/);
  });

  it("refuses worker threads, even those that keep nothing alive", async () => {
    const source =
      "const { Worker } = require('worker_threads'); new Worker('setInterval(() => {}, 1e6)', { eval: true }).unref()";
    const module = host.module("thread.cjs", source);
    const result = await failed({ preload: ["node:fs", module, "node:path"] });
    assert.match(String(result["message"]), /threads: /);
    const { threads } = result;
    assert.ok(Array.isArray(threads) && threads.length > 0);
    for (const thread of threads) {
      assert.match(String(thread), /^(thread \d+|[^ ]+) of .*\/thread\.cjs$/);
      assert.doesNotMatch(String(thread), /forkbus templat/);
    }
  });

  it("refuses open files and sockets, unless they are to be kept", async () => {
    const log = join(host.place, "a.log");
    writeFileSync(log, "");
    const module = host.module(
      "log.cjs",
      `const fs = require('fs'); const file = fs.openSync(${JSON.stringify(log)}, 'a'); exports.write = (text) => fs.writeSync(file, text);`,
    );
    const result = await failed({ preload: [module] });
    assert.deepEqual(result["openFiles"], [log]);
    const zygote = await host.zygote({ preload: [module], keepFds: [join(host.place, "*.log")] });
    assert.deepEqual(zygote.result()?.["openFiles"], [log]);
    for (const text of ["one\n", "two\n"]) {
      await host.fork(zygote, `${module}#write`, { given: [text] }).value();
    }
    assert.equal(readFileSync(log, "utf8"), "one\ntwo\n");
  });

  it("may print, and its children print to their own files", async () => {
    const module = host.module(
      "loud.cjs",
      "console.log('loaded'); console.error('warned'); exports.say = (text) => console.log(text)",
    );
    const zygote = await host.zygote({ preload: [module] });
    for (const text of ["one", "two"]) {
      const forked = host.fork(zygote, `${module}#say`, { given: [text] });
      assert.equal(await forked.code(), 0);
      assert.deepEqual([forked.stdout(), forked.stderr()], [`${text}\n`, ""]);
    }
    assert.deepEqual([zygote.stdout(), zygote.stderr()], ["loaded\n", "warned\n"]);
  });

  it("says that it cannot be forked where there is no addon for this Node, and why", async () => {
    const module = host.module(
      "other.cjs",
      "Object.defineProperty(process, 'versions', { value: { ...process.versions, modules: '1' } })",
    );
    const zygote = host.template({ preload: [module] });
    assert.equal(await zygote.code(), 0);
    const { canFork, why } = { canFork: true, why: "", ...zygote.result() };
    assert.equal(canFork, false);
    assert.match(why, /^Node \d.* cannot be forked: There is no forkbus-zygote-1\.node /);
    assert.ok(!zygote.events.some(({ type }) => type === "R"));
  });

  it("says that it cannot be forked by an addon for another version of Node, wherever that differs", async function () {
    const own = `forkbus-zygote-${modulesOf(nodeUnderTest)}.node`;
    const others = readdirSync(join(packageRoot, "dist/native"))
      .filter((name) => /^forkbus-zygote-\d+\.node$/.test(name) && name !== own)
      .flatMap((name) => /\d+/.exec(name) ?? []);
    if (others.length === 0) this.skip();
    for (const modules of others) {
      const module = host.module(
        `as-${modules}.cjs`,
        `Object.defineProperty(process, 'versions', { value: { ...process.versions, modules: '${modules}' } })`,
      );
      const zygote = host.template({ preload: [module] });
      assert.equal(await zygote.code(), 0, modules);
      const { canFork, why } = { canFork: true, why: "", ...zygote.result() };
      assert.equal(canFork, false);
      assert.match(
        why,
        /cannot be forked: .* is not where this Node should have it$|cannot load .*undefined symbol/,
      );
    }
  });

  it("says that it cannot be forked when a trial shows it", async () => {
    const module = host.module(
      "broken.cjs",
      "globalThis.fetch = async () => { throw new Error('no fetch') }",
    );
    const zygote = host.template({ preload: [module] });
    assert.equal(await zygote.code(), 0);
    const { canFork, why } = { canFork: true, why: "", ...zygote.result() };
    assert.deepEqual(
      [canFork, why],
      [false, "a forked process ended with code 1 in the self-test"],
    );
    assert.match(zygote.stderr(), /no fetch/);
  });

  it("can be a child of another, with all that has been loaded there", async () => {
    const base = host.module("base.cjs", "exports.count = 1; exports.get = () => exports.count");
    const more = host.module(
      "more.cjs",
      `const base = require(${JSON.stringify(base)}); base.count++; exports.get = base.get`,
    );
    const parent = await host.zygote({ preload: [base] });
    const child = host.forkTemplate(parent, { preload: [more], env: { PATH: "/bin" } });
    await child.saw("R");
    const modules = child.result()?.["modules"];
    assert.ok(Array.isArray(modules) && modules.length === 1);
    assert.equal(await host.fork(child, `${more}#get`).value(), 2);
    assert.equal(await host.fork(parent, `${base}#get`).value(), 1);
    host.hangUp(parent);
    assert.equal(await parent.code(), 0);
    assert.equal(await host.fork(child, "./checks/network.js#httpAndFetch").code(), 0);
    host.hangUp(child);
    assert.equal(await child.code(), 0);
  });
});
