import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { constants } from "node:os";
import { acts, fork, outcome, startForkServer } from "./support/fork-servers.js";
import { type KeeperClient, KeeperError } from "./support/keeper-client.js";
import { KeeperProcess } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { Flag, type Frame, Step, Tag, Type } from "./support/wire.js";

const { errno } = constants;
const SIGKILL = 9;
const SIGNALS = [1, 2, 6, 9, 10, 11, 12, 15];

/** A small generator with a known beginning, so that a failure can be had again. */
function dice(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const finished = (client: KeeperClient, id: Buffer): readonly Frame[] =>
  client.frames.filter(
    (f) =>
      f.request === 0 &&
      f.bytes(Tag.id).equals(id) &&
      [Type.spawnFailed, Type.exited].some((type) => type === f.type),
  );

describe("the keeper under many forks", function () {
  this.timeout(180_000);

  it("reports the true end of 2 000 workers, and keeps nothing of them", async () => {
    await using keeper = await KeeperProcess.start({ args: ["--cgroup", "none"] });
    using client = await keeper.connect();
    const server = await startForkServer(client);
    const roll = dice(7);
    const round = async (count: number): Promise<void> => {
      const expected = Array.from({ length: count }, (): [Buffer, number, number] => {
        const signal = roll(2) === 0 ? 0 : (SIGNALS[roll(SIGNALS.length)] ?? 9);
        const code = roll(256);
        const id = fork(client, server.id, {
          then: acts(signal === 0 ? { exit: code } : { signal }),
        });
        return signal === 0 ? [id, 1, code] : [id, 2, signal];
      });
      for (const [id, kind, value] of expected) {
        const end = await client.exited(id, 60_000);
        const how = end.u32(Tag.exitCodeKind);
        assert.deepEqual([how === 3 ? 2 : how, end.u32(Tag.exitValue)], [kind, value]);
        assert.equal(end.u32(Tag.exitSource), 1);
      }
      await Promise.all(expected.map(([id]) => client.acknowledge(id)));
      await Promise.all(expected.map(([id]) => client.ask(Type.remove, [[Tag.id, id]])));
      client.frames.length = 0;
    };
    await round(100);
    const descriptors = keeper.descriptors();
    for (let i = 0; i < 19; i++) await round(100);
    assert.equal(keeper.descriptors(), descriptors);
    assert.deepEqual(keeper.children(), [server.pid]);
    assert.ok(keeper.status("VmRSS") <= 2048, `${keeper.status("VmRSS")} KiB`);
  });

  for (const cgroup of ["auto", "none"]) {
    it(`ends every order once when its server is killed at any instant, cgroups ${cgroup}`, async () => {
      await using keeper = await KeeperProcess.start({ args: ["--cgroup", cgroup] });
      using client = await keeper.connect();
      const roll = dice(11);
      const descriptors = keeper.descriptors();
      const seen = { born: 0, unborn: 0 };
      for (let round = 0; round < 30; round++) {
        client.frames.length = 0;
        const server = await startForkServer(client);
        const codes = new Map(
          Array.from({ length: 20 }, (_, i): [Buffer, number] => {
            const flags = i % 5 === 0 ? Flag.hold : 0;
            return [fork(client, server.id, { flags, then: acts({ exit: i + 1 }) }), flags];
          }),
        );
        const after = roll(20);
        await waitUntil("some of them", () => {
          const told = [Type.spawned, Type.born].map(
            (type) => client.frames.filter((f) => f.type === type).length,
          );
          return (told[0] ?? 0) + (told[1] ?? 0) > after;
        });
        await client.signal(server.id, SIGKILL, roll(2));
        await client.exited(server.id);
        await client.acknowledge(server.id);
        for (const [id, flags] of codes) {
          if (flags === Flag.hold) {
            const told = await waitUntil("a birth or none", () =>
              client.frames.find(
                (f) =>
                  (f.type === Type.born || f.type === Type.spawnFailed) &&
                  f.bytes(Tag.id).equals(id),
              ),
            );
            // It may be over already: who was born at the instant of the kill was the server's still.
            if (told.type === Type.born) await client.signal(id, SIGKILL).catch(unlessOver);
          }
          await waitUntil("its end", () => finished(client, id).length > 0, 20_000);
        }
        for (const [i, [id, flags]] of [...codes].entries()) {
          const [end, ...more] = finished(client, id);
          assert.ok(end !== undefined && more.length === 0, "once");
          if (end.type === Type.exited) {
            assert.equal(flags, 0);
            assert.deepEqual([end.u32(Tag.exitCodeKind), end.u32(Tag.exitValue)], [1, i + 1]);
            await client.acknowledge(id);
            await client.ask(Type.remove, [[Tag.id, id]]);
            seen.born += 1;
          } else {
            const why = [end.u32(Tag.step), end.u32(Tag.errno)];
            const known = [
              [Step.birth, errno.ECHILD],
              [Step.birth, errno.EINTR],
              [Step.request, errno.ESRCH],
              [Step.fork, errno.EPIPE],
              [Step.specification, errno.EINTR],
            ];
            assert.ok(
              known.some(([step, code]) => step === why[0] && code === why[1]),
              String(why),
            );
            seen.unborn += 1;
          }
        }
        await client.ask(Type.remove, [[Tag.id, server.id]]);
      }
      assert.ok(seen.born > 50 && seen.unborn > 50, JSON.stringify(seen));
      await waitUntil("no child", () => keeper.children().length === 0);
      assert.deepEqual(await client.list(), []);
      assert.equal(keeper.descriptors(), descriptors);
      assert.deepEqual(readdirSync(keeper.directory), ["keeper.lock"]);
    });
  }

  it("never waits for a server that takes no orders", async () => {
    await using keeper = await KeeperProcess.start({ args: ["--cgroup", "none"] });
    using client = await keeper.connect();
    const server = await startForkServer(client);
    await client.signal(server.id, 19);
    const ids = Array.from({ length: 2000 }, () => fork(client, server.id, { flags: Flag.hold }));
    const last = ids[ids.length - 1];
    assert.ok(last !== undefined);
    const refusal = await outcome(client, last);
    assert.deepEqual(
      [refusal.type, refusal.u32(Tag.step), refusal.u32(Tag.errno)],
      [Type.spawnFailed, Step.fork, errno.EAGAIN],
    );
    const { id } = await client.spawned({ argv: ["/bin/true"] });
    await client.exited(id);
    await client.signal(server.id, 18);
    const first = ids[0];
    assert.ok(first !== undefined);
    await client.notice(Type.born, first);
    await client.signal(server.id, SIGKILL);
    await client.exited(server.id);
    await waitUntil("each order to be born or not", async () => {
      const listed = (await client.list()).map((worker) => worker.u32(Tag.state));
      return !listed.includes(5);
    });
    const told = new Set(
      client.frames
        .filter((f) => f.type === Type.spawnFailed || f.type === Type.born)
        .map((f) => f.bytes(Tag.id).toString("hex")),
    );
    assert.ok(ids.every((each) => told.has(each.toString("hex"))));
  });
});

/** Its end is awaited in any case. */
function unlessOver(error: unknown): void {
  if (!(error instanceof KeeperError && error.errno === errno.ESRCH)) throw error;
}
