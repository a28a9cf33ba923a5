import assert from "node:assert/strict";
import { join } from "node:path";
import * as engine from "./fixtures/checks/engine.js";
import * as eventLoop from "./fixtures/checks/event-loop.js";
import * as network from "./fixtures/checks/network.js";
import * as processes from "./fixtures/checks/processes.js";
import * as threadPool from "./fixtures/checks/thread-pool.js";
import { fixtures, ForkHost, type Hosted } from "./support/fork-host.js";

const checks = {
  engine: Object.keys(engine),
  "event-loop": Object.keys(eventLoop),
  network: Object.keys(network),
  processes: Object.keys(processes),
  "thread-pool": Object.keys(threadPool),
};
const files = Object.keys(checks);

/** "wasmAtOnce": "wasm at once" */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

describe("a forked Node", () => {
  let host: ForkHost;
  let zygote: Hosted;

  before(async () => {
    host = new ForkHost();
    zygote = await host.zygote({ preload: files.map((file) => `./checks/${file}.js`) });
  });

  after(() => host[Symbol.asyncDispose]());

  for (const [file, names] of Object.entries(checks)) {
    for (const name of names) {
      it(`can do as any other: ${words(name)}`, async () => {
        const forked = host.fork(zygote, `./checks/${file}.js#${name}`);
        assert.equal(await forked.code(), 0, forked.stderr());
        assert.equal(forked.result()?.kind, "value", forked.stderr());
      });
    }
  }

  it("can do all of it one after the other, and comes to its natural end", async () => {
    const target = host.module(
      "all.mjs",
      `export default async (...files) => {
        for (const file of files) {
          const checks = await import(file);
          // It has loaded much, and has threads by then.
          for (const name of Object.keys(checks)) if (name !== "fewThreads") await checks[name]();
        }
        process.exitCode = 42;
        const { readdirSync, readFileSync } = await import("node:fs");
        return readdirSync("/proc/self/task").map((id) => readFileSync("/proc/self/task/" + id + "/comm", "utf8").trim());
      }`,
    );
    const given = files.map((file) => join(fixtures, "checks", `${file}.js`));
    const forked = host.fork(zygote, target, { given });
    assert.equal(await forked.code(), 42, forked.stderr());
    const threads: unknown = JSON.parse(forked.result()?.data.toString() ?? "");
    assert.ok(Array.isArray(threads));
    // The main one, libuv's four and V8's three.
    assert.ok(threads.length <= 8, `${threads.join()} at the end`);
  });
});
