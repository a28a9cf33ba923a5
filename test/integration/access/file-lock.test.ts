import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { lockFile, LockHeldError } from "../../../server/kernel/file-lock.js";
import { TestDirectory } from "./text-over-http2.js";

/** Holds the lock in another process, with the kernel's own call, until it is killed. */
async function holdElsewhere(path: string): Promise<ChildProcess> {
  const script = `
import fcntl, os, sys
file = open(sys.argv[1], "a+")
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
print("locked", flush=True)
sys.stdin.read()
`;
  const child = spawn("python3", ["-c", script, path], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}

describe("a file lock", () => {
  it("is refused with the pid of the process that has it, and free when that is killed", async () => {
    using directory = new TestDirectory();
    const path = directory.in("lock");
    const holder = await holdElsewhere(path);
    assert.throws(
      () => lockFile(path),
      (error: unknown) =>
        error instanceof LockHeldError &&
        error.holderPid === holder.pid &&
        error.message.includes(String(holder.pid)),
    );
    holder.kill("SIGKILL");
    await once(holder, "exit");
    lockFile(path)[Symbol.dispose]();
  });

  it("has our pid in its file, excludes other processes and ourselves, and can be taken again", async () => {
    using directory = new TestDirectory();
    const path = directory.in("lock");
    for (let round = 0; round < 2; round++) {
      using lock = lockFile(path);
      assert.equal(lock.path, path);
      // Not by ourselves: closing the file in this process would drop the lock.
      assert.equal(execFileSync("cat", [path], { encoding: "utf8" }), `${process.pid}\n`);
      assert.throws(() => lockFile(path), LockHeldError);
      const other = spawn("python3", [
        "-c",
        "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'a+'), 6)",
        path,
      ]);
      const [code] = (await once(other, "exit")) as [number];
      assert.notEqual(code, 0, "another process got the lock as well");
      lock[Symbol.dispose]();
      lock[Symbol.dispose]();
    }
  });
});
