import assert from "node:assert/strict";
import { z } from "zod";
import { Driver } from "../../../bench/harness/driver.js";

const echo = `require("node:readline").createInterface(process.stdin).on("line", (line) => {
  const { fail, ...rest } = JSON.parse(line);
  if (fail) process.exit(3);
  console.log(JSON.stringify({ ...rest, env: process.env.BENCH_TEST }));
})`;

function start(): Driver {
  return new Driver([process.execPath, "-e", echo], { BENCH_TEST: "yes" });
}

describe("a driver", () => {
  it("answers each command in turn", async () => {
    await using driver = start();
    const answer = z.object({ n: z.int(), env: z.string() });
    const answers = await Promise.all([1, 2, 3].map((n) => driver.ask({ n }, answer)));
    assert.deepEqual(
      answers,
      [1, 2, 3].map((n) => ({ n, env: "yes" })),
    );
  });

  it("fails every command that it did not answer when it ends, and those after", async () => {
    await using driver = start();
    const first = driver.ask({ fail: true }, z.unknown());
    const second = driver.ask({ n: 2 }, z.unknown());
    await assert.rejects(first, /it ended with exit code 3/);
    await assert.rejects(second, /it ended with exit code 3/);
    await assert.rejects(driver.ask({ n: 3 }, z.unknown()), /it had ended/);
  });

  it("fails for an answer of another shape", async () => {
    await using driver = start();
    await assert.rejects(driver.ask({ n: 1 }, z.object({ samples: z.array(z.number()) })));
  });

  it("that cannot be started says so", async () => {
    await using driver = new Driver(["/nowhere/program"]);
    await assert.rejects(driver.ask({}, z.unknown()), /\/nowhere\/program: .*ENOENT/);
  });
});
