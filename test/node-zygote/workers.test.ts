import assert from "node:assert/strict";
import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { ForkHost, type Hosted } from "./support/fork-host.js";

const isSoak = process.env["FORKBUS_SOAK"] !== undefined;

describe("a worker of Node's", () => {
  let host: ForkHost;
  let zygote: Hosted;

  before(async () => {
    host = new ForkHost();
    zygote = await host.zygote({
      preload: ["./targets.js"],
      init: { function: "./targets.js#drawAll", encoding: "json", resultEncoding: "json" },
    });
  });

  after(() => host[Symbol.asyncDispose]());

  function ask(name: string, given?: unknown): Promise<unknown> {
    return host.fork(zygote, `./targets.js#${name}`, given === undefined ? {} : { given }).value();
  }

  it("is the keeper's child, leads a session, and shows its id, before it is told to go", async () => {
    const forked = host.fork(zygote, "./targets.js#given", { hold: true });
    const { isOurs, leadsSession, showsId } = await forked.saw("born");
    assert.deepEqual([isOurs, leadsSession, showsId], [true, true, true]);
    assert.equal(forked.read("result").length, 0);
    host.go(forked, "./targets.js#given");
    assert.deepEqual(await forked.value(), []);
    const told = forked.events.map(({ event, type }) => type ?? event);
    assert.deepEqual(told, ["born", "S", "L", "link ended", "ended"]);
  });

  it("says when it was asked for, forked, specialised and called, in this order", async () => {
    const forked = host.fork(zygote, "./targets.js#given");
    await forked.code();
    const { askedNs, forkedNs } = await forked.saw("born");
    const [ready, called] = await Promise.all(["S", "L"].map((type) => forked.saw(type)));
    const time = (told: typeof ready): number =>
      Number(Buffer.from(told?.content ?? "", "hex").readBigUInt64LE());
    const moments = [Number(askedNs), Number(forkedNs), time(ready), time(called)];
    assert.deepEqual(
      moments,
      [...moments].sort((one, other) => one - other),
    );
    assert.ok(time(called) - Number(askedNs) < 2e9);
  });

  it("ends without having been, when nobody tells it to go", async () => {
    const forked = host.fork(zygote, "./targets.js#given", { hold: true });
    await forked.saw("born");
    host.hangUp(forked);
    assert.equal(await forked.code(), 0);
    assert.equal(forked.result(), undefined);
  });

  it("becomes what its specification says", async () => {
    const directory = realpathSync(host.place);
    const forked = host.fork(zygote, "./targets.js#itself", {
      given: { any: "thing" },
      env: { PATH: "/bin", ONLY: "this" },
      workingDir: directory,
      umask: 0o027,
      cpus: [0],
      rlimits: [[7, "512", "1024"]],
    });
    const found = await forked.value();
    assert.ok(typeof found === "object" && found !== null);
    const { limits, ...rest } = { limits: "", ...found };
    assert.deepEqual(rest, {
      id: forked.id,
      name: "test",
      bytes: '{"any":"thing"}',
      encoding: "json",
      pid: await forked.pid(),
      title: "forkbus: test",
      command: "forkbus: test",
      workingDir: directory,
      umask: 0o027,
      env: { PATH: "/bin", ONLY: "this", FORKBUS_PROCESS_ID: forked.id },
      argv: ["./targets.js"],
      execArgv: [],
      cpus: "0",
    });
    assert.match(limits, /Max open files\s+512\s+1024/);
  });

  it("says at which step it could not", async () => {
    const { EINVAL, ENOENT } = constants.errno;
    const tries = [
      [{ workingDir: join(host.place, "missing") }, [10, ENOENT]],
      [{ cpus: [8000] }, [8, EINVAL]],
      [{ rlimits: [[7, "2048", "1024"]] }, [7, EINVAL]],
      [{ rlimits: [["what", 1]] }, [14, EINVAL]],
    ] as const;
    for (const [wanted, expected] of tries) {
      const forked = host.fork(zygote, "./targets.js#given", wanted);
      const { content } = await forked.saw("E");
      const told = Buffer.from(content ?? "", "hex");
      assert.deepEqual([told.readUInt32LE(0), told.readUInt32LE(4)], expected);
      assert.equal(await forked.code(), 1);
    }
  });

  it("gives its target a JSON array as arguments, anything else as the one, and nothing as none", async () => {
    assert.deepEqual(await ask("given", [1, { two: 2 }]), [1, { two: 2 }]);
    assert.deepEqual(await ask("given", { two: 2 }), [{ two: 2 }]);
    assert.deepEqual(await ask("given", "text"), ["text"]);
    assert.deepEqual(await ask("given"), []);
    assert.equal(await ask("nothing"), null);
  });

  it("takes and gives bytes as they are", async () => {
    const given = Buffer.from([1, 2, 254]);
    const options = { given, encoding: "raw" };
    const hex = host.fork(zygote, "./targets.js#bytesGiven", options);
    assert.equal(await hex.value(), "0102fe");
    const back = host.fork(zygote, "./targets.js#bytesBack", { ...options, resultEncoding: "raw" });
    assert.equal(await back.code(), 0);
    assert.deepEqual(back.result()?.data, Buffer.from([1, 2, 254, 0, 255]));
  });

  it("has an exception of its own for what it cannot do", async () => {
    const tries = [
      ["./targets.js#missing", {}, "TypeError", /exports no missing/],
      ["./nowhere.js#any", {}, "Error", /nowhere/],
      ["no-such-package#any", {}, "Error", /no-such-package/],
      ["./targets.js#given", { given: Buffer.from("{") }, "SyntaxError", /JSON/],
      ["./targets.js#given", { given: 1, encoding: "pickle" }, "TypeError", /not in pickle/],
      ["./targets.js#circular", {}, "TypeError", /circular/],
      ["./targets.js#large", { given: 3 << 20 }, "ResultTooLarge", /3145730 bytes/],
      ["./targets.js#notANumber", {}, "TypeError", /^JSON cannot say NaN \(at the result\)/],
      [
        "./targets.js#member",
        { given: "bytes" },
        "TypeError",
        /say bytes \(at one of the result\)/,
      ],
      ["./targets.js#member", { given: "map" }, "TypeError", /say a Map or Set/],
      ["./targets.js#member", { given: "promise" }, "TypeError", /say a Promise/],
    ] as const;
    for (const [target, wanted, type, message] of tries) {
      const forked = host.fork(zygote, target, wanted);
      assert.equal(await forked.code(), 1, target);
      const result = forked.result();
      assert.deepEqual([result?.kind, result?.["type"]], ["exception", type], target);
      assert.match(String(result?.["message"]), message);
      assert.doesNotMatch(String(result?.["traceback"]), /server\/zygotes|\/wire\//);
    }
  });

  it("has an exception for a result that there is no room for, and less of an exception", async () => {
    const limited = (name: string, bytes: string): Hosted =>
      host.fork(zygote, `./targets.js#${name}`, { given: 5000, rlimits: [[1, bytes, bytes]] });
    const value = limited("largeWithinLimits", "2000");
    assert.equal(await value.code(), 1);
    assert.equal(value.result()?.["type"], "ResultLost");
    assert.match(
      String(value.result()?.["message"]),
      /^What the function returned could not be written: EFBIG/,
    );
    const thrown = limited("throwsWithinLimits", "2000");
    assert.equal(await thrown.code(), 1);
    const { type, message } = { type: "", message: "", ...thrown.result() };
    assert.deepEqual([type, message], ["RangeError", "x".repeat(256)]);
    const nothing = limited("largeWithinLimits", "0");
    assert.equal(await nothing.code(), 1);
    assert.equal(nothing.result(), undefined);
  });

  it("finds functions in modules of both kinds, in files and packages, by any way to export", async () => {
    const packages = join(host.place, "node_modules");
    for (const [name, file, source, more] of [
      [
        "modern",
        "index.js",
        "export const who = () => 'modern'",
        { type: "module", exports: { import: "./index.js" } },
      ],
      ["classic", "index.js", "exports.who = () => 'classic'", {}],
    ] as const) {
      mkdirSync(join(packages, name), { recursive: true });
      writeFileSync(
        join(packages, name, "package.json"),
        JSON.stringify({ name, version: "1.0.0", ...more }),
      );
      writeFileSync(join(packages, name, file), source);
    }
    host.module("function.cjs", "module.exports = () => 'function'");
    host.module("dynamic.cjs", "const name = 'who'; module.exports = { [name]: () => 'dynamic' }");
    host.module("default.mjs", "export default async () => 'default'");
    const expected = {
      "modern#who": "modern",
      "classic#who": "classic",
      "./function.cjs": "function",
      "function.cjs": "function",
      "./function": "function",
      "./dynamic.cjs#who": "dynamic",
      [join(host.place, "default.mjs")]: "default",
      "node:os#type": "Linux",
    };
    host.module("function.js", "module.exports = () => 'function'");
    for (const [target, answer] of Object.entries(expected)) {
      const forked = host.fork(zygote, target, { searchPath: [host.place] });
      assert.equal(await forked.value(), answer, target);
    }
  });

  it("passes none of its own descriptors on to programs that it starts", async () => {
    const target = host.module(
      "lists.cjs",
      `const { execFileSync } = require("node:child_process");
       module.exports = () => execFileSync("ls", ["-l", "/proc/self/fd"]).toString();`,
    );
    for (const worker of [host.fork(zygote, target), host.worker(target)]) {
      const listed = String(await worker.value());
      assert.match(listed, / 0 -> /);
      assert.doesNotMatch(listed, / ([3-9]|\d\d+) -> .*(socket:|result|memfd|eventpoll)/);
    }
  });

  it("shares no random value with any of its siblings", async () => {
    const count = isSoak ? 5000 : 1000;
    const all: unknown[] = [];
    let begun = 0;
    const one = async (): Promise<void> => {
      while (begun++ < count) all.push(await ask("drawn"));
    };
    await Promise.all(Array.from({ length: 16 }, one));
    const seen = new Map<string, Set<unknown>>();
    for (const drawn of all) {
      assert.ok(typeof drawn === "object" && drawn !== null);
      for (const [kind, value] of Object.entries(drawn)) {
        seen.set(kind, (seen.get(kind) ?? new Set()).add(value));
      }
    }
    assert.ok(seen.size >= 8);
    for (const [kind, values] of seen) assert.equal(values.size, count, kind);
  });

  it("does the same when it is executed, and not forked", async () => {
    const preload = ["./targets.js"];
    const executed = host.worker("./targets.js#given", { preload, given: [1, 2] });
    assert.deepEqual(await executed.value(), [1, 2]);
    assert.deepEqual(
      executed.events.map(({ event, type }) => type ?? event),
      ["started", "S", "L", "link ended", "ended"],
    );
    const throwing = host.worker("./ends.js#throws");
    assert.equal(await throwing.code(), 1);
    assert.equal(throwing.result()?.["type"], "TypeError");
    const init = { function: "./nowhere.js", encoding: "json", resultEncoding: "json" };
    const unprepared = host.worker("./targets.js#given", { init });
    assert.equal(await unprepared.code(), 1);
    assert.match(String(unprepared.result()?.["message"]), /nowhere/);
  });
});
