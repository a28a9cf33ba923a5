import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { constants } from "node:os";
import { z } from "zod";
import { nativeFile } from "../../server/kernel/native-files.js";
import { modulesOf, nodeUnderTest } from "../support/node-zygote-suite.js";

const { EBUSY } = constants.errno;

/**
 * Forks while a thread of Node's pool computes for about so many milliseconds, and says what came of it and after how
 * long. What computes is no JavaScript, which sleeps for moments while V8 optimises it.
 */
const PROGRAM = `
  const { readdirSync, readFileSync, writeSync } = require("node:fs");
  const { pbkdf2, pbkdf2Sync } = require("node:crypto");
  const [path, busyMs] = process.argv.slice(1);
  const addon = require(path);
  if (addon.unfit() !== "") throw new Error(addon.unfit());
  const TRIAL = 40_000;
  const trial = performance.now();
  pbkdf2Sync("a", "b", TRIAL, 32, "sha256");
  const rounds = Math.ceil((TRIAL * Number(busyMs)) / (performance.now() - trial));
  pbkdf2("a", "b", rounds, 32, "sha256", () => undefined);
  const stateOf = (id) => readFileSync("/proc/self/task/" + id + "/stat", "utf8").split(") ")[1][0];
  const others = () => readdirSync("/proc/self/task").filter((id) => id !== String(process.pid));
  while (!others().some((id) => stateOf(id) === "R"));
  const started = performance.now();
  const child = addon.forkChild();
  if (child === 0) addon.exitNow(42);
  const tookMs = performance.now() - started;
  writeSync(1, JSON.stringify([child < 0 ? child : addon.waitFor(child, 5000), tookMs]));
  // At once, whatever still computes.
  addon.exitNow(0);
`;

const answer = z.tuple([z.number(), z.number()]);

function forkBesides(busyMs: number): readonly [outcome: number, tookMs: number] {
  const addon = nativeFile(`forkbus-zygote-${modulesOf(nodeUnderTest)}.node`);
  const args = ["-e", PROGRAM, addon, String(busyMs)];
  return answer.parse(JSON.parse(execFileSync(nodeUnderTest, args, { encoding: "utf8" })));
}

describe("a fork of Node, while another thread computes", () => {
  it("waits until that rests", () => {
    const [outcome, tookMs] = forkBesides(400);
    assert.equal(outcome, 42);
    assert.ok(tookMs > 60, `after ${tookMs} ms`);
  });

  it("is none when that does not rest", () => {
    const [outcome, tookMs] = forkBesides(15_000);
    assert.equal(outcome, -EBUSY);
    assert.ok(tookMs > 1900, `after ${tookMs} ms`);
  });
});
