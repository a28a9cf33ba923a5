import assert from "node:assert/strict";
import { eventually } from "../support/eventually.js";
import { ForkHost, type Hosted } from "./support/fork-host.js";

const [SIGABRT, SIGKILL, SIGUSR1, SIGUSR2, SIGTERM] = [6, 9, 10, 12, 15];
const isSoak = process.env["FORKBUS_SOAK"] !== undefined;

describe("the end of a forked Node", () => {
  let host: ForkHost;
  let zygote: Hosted;

  before(async () => {
    host = new ForkHost();
    zygote = await host.zygote({ preload: ["./ends.js"] });
  });

  after(() => host[Symbol.asyncDispose]());

  function end(name: string, given?: unknown): Hosted {
    return host.fork(zygote, `./ends.js#${name}`, given === undefined ? {} : { given });
  }

  it("is code 1 after an exception that nobody catches, which stderr and the result tell", async () => {
    const forked = end("uncaught");
    assert.equal(await forked.code(), 1);
    assert.match(forked.stderr(), /RangeError: nobody catches this\n\s+at /);
    const result = forked.result();
    assert.deepEqual(
      [result?.kind, result?.["type"], result?.["message"]],
      ["exception", "RangeError", "nobody catches this"],
    );
  });

  it("is code 1 after a rejection that nobody handles", async () => {
    const forked = end("unhandled");
    assert.equal(await forked.code(), 1);
    assert.match(forked.stderr(), /Error: nobody handles this/);
    assert.equal(forked.result()?.["message"], "nobody handles this");
  });

  it("is the code of process.exit, after its listeners, and leaves no result", async () => {
    const forked = end("exits");
    assert.equal(await forked.code(), 7);
    assert.equal(forked.stdout(), "the listener ran\n");
    assert.equal(forked.result(), undefined);
  });

  it("is the exit code that the last listener sets", async () => {
    assert.equal(await end("changesItsMind").code(), 11);
  });

  it("is the signal with which it kills itself", async () => {
    assert.equal(await end("killsItself").code(), -SIGKILL);
  });

  it("is SIGABRT when it aborts", async () => {
    assert.equal(await end("aborts").code(), -SIGABRT);
  });

  it("is SIGABRT when it runs out of memory", async () => {
    const flags = ["--max-old-space-size=48"];
    const small = await host.zygote({ flags, preload: ["./ends.js"] });
    const forked = host.fork(small, "./ends.js#runsOutOfMemory");
    assert.equal(await forked.code(), -SIGABRT, forked.stderr());
    assert.match(forked.stderr(), /heap out of memory/);
  });

  it("is code 1 when its program is none", async () => {
    const path = host.module("none.mjs", "this is no program");
    const forked = host.fork(zygote, path);
    assert.equal(await forked.code(), 1);
    assert.equal(forked.result()?.["type"], "SyntaxError");
  });

  it("loses nothing that was written", async () => {
    const forked = end("writesMuch");
    assert.equal(await forked.code(), 5);
    assert.equal(forked.read("stdout").length, 3_000_001);
  });

  it("is what its handler of SIGTERM makes it", async () => {
    const forked = end("handlesTermination");
    await eventually(
      () => forked.stdout(),
      (text) => text !== "",
    );
    host.kill(forked, SIGTERM);
    assert.equal(await forked.code(), 3);
    assert.equal(forked.stdout(), "waiting\ntold to end\n");
  });

  it("does not come with SIGUSR1, which opens no inspector either", async () => {
    const forked = end("hearsSignals");
    await eventually(
      () => forked.stdout(),
      (text) => text !== "",
    );
    host.kill(forked, SIGUSR1);
    host.kill(forked, SIGUSR2);
    await eventually(
      () => forked.stdout(),
      (text) => text === "waiting\nwent on\n",
    );
    host.kill(forked, SIGTERM);
    assert.equal(await forked.code(), -SIGTERM);
    assert.equal(forked.stderr(), "");
  });

  it("is SIGTERM without such a handler", async () => {
    const forked = end("waits");
    await eventually(
      () => forked.stdout(),
      (text) => text !== "",
    );
    host.kill(forked, SIGTERM);
    assert.equal(await forked.code(), -SIGTERM);
  });

  it("is code 1 when its target throws, with the stack on stderr", async () => {
    const forked = end("throws");
    assert.equal(await forked.code(), 1);
    assert.match(forked.stderr(), /TypeError: thrown\n\s+at throws .*\n[^]*detail: 5/);
    const result = forked.result();
    assert.deepEqual([result?.["type"], result?.["message"]], ["TypeError", "thrown"]);
    assert.match(String(result?.["traceback"]), /^TypeError: thrown\n\s+at throws /);
    for (const text of [forked.stderr(), String(result?.["traceback"])])
      assert.doesNotMatch(text, /server\/zygotes/);
  });

  it("is code 1 when its target throws what is no error", async () => {
    const forked = end("throwsNoError");
    assert.equal(await forked.code(), 1);
    assert.deepEqual(forked.result()?.["message"], "{ reason: 'none' }");
  });

  it("comes when nothing is left to do, not when the target returns", async () => {
    const forked = end("returnsEarly");
    assert.equal(await forked.code(), 4);
    assert.equal(forked.stdout(), "later\n");
    assert.equal(forked.result()?.data.toString(), '"early"');
  });

  it("is code 13 when the target waits for what cannot come", async () => {
    const forked = end("waitsForNothing");
    assert.equal(await forked.code(), 13);
    assert.equal(forked.result()?.["type"], "UnsettledPromise");
  });

  it("makes an exception of a value, when one comes after it", async () => {
    const forked = end("throwsAfterReturning");
    assert.equal(await forked.code(), 1);
    assert.equal(forked.result()?.["message"], "too late");
  });

  it("is always the one that was meant", async () => {
    const [count, atOnce] = isSoak ? [5000, 32] : [600, 16];
    const signals = [9, 15, 6, 1, 12];
    const wrong: unknown[] = [];
    let begun = 0;
    const one = async (): Promise<void> => {
      while (begun < count) {
        const turn = begun++;
        const kind = ["exit", "exitCode", "signal"][turn % 3];
        const value = kind === "signal" ? (signals[turn % 5] ?? 0) : (turn * 7) % 200;
        const code = await end("random", [kind, value]).code();
        if (code !== (kind === "signal" ? -value : value)) wrong.push([kind, value, code]);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, one));
    assert.deepEqual(wrong, []);
  });
});
