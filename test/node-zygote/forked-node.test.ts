import assert from "node:assert/strict";
import { join } from "node:path";
import * as checks from "./fixtures/checks.js";
import { fixtures, ForkHost, type Hosted } from "./support/fork-host.js";

const names = Object.keys(checks);

/** "wasmAtOnce": "wasm at once" */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

describe("a forked Node", () => {
  let host: ForkHost;
  let zygote: Hosted;

  before(async () => {
    host = new ForkHost();
    zygote = await host.zygote({ preload: ["./checks.js"] });
  });

  after(() => host[Symbol.asyncDispose]());

  for (const name of names) {
    it(`can do as any other: ${words(name)}`, async () => {
      const forked = host.fork(zygote, `./checks.js#${name}`);
      assert.equal(await forked.code(), 0, forked.stderr());
      assert.equal(forked.result()?.kind, "value", forked.stderr());
    });
  }

  it("can do all of it one after the other, and comes to its natural end", async () => {
    const target = host.module(
      "all.mjs",
      `export default async (file, names) => {
        const checks = await import(file);
        for (const name of names) await checks[name]();
        process.exitCode = 42;
        const { readdirSync, readFileSync } = await import("node:fs");
        return readdirSync("/proc/self/task").map((id) => readFileSync("/proc/self/task/" + id + "/comm", "utf8").trim());
      }`,
    );
    const others = names.filter((name) => name !== "fewThreads");
    const forked = host.fork(zygote, target, { given: [join(fixtures, "checks.js"), others] });
    assert.equal(await forked.code(), 42, forked.stderr());
    const threads: unknown = JSON.parse(forked.result()?.data.toString() ?? "");
    assert.ok(Array.isArray(threads));
    // The main one, libuv's four and V8's three.
    assert.ok(threads.length <= 8, `${threads.join()} at the end`);
  });
});
