import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../../server/core/clock.js";
import { KeeperClient } from "../../../server/kernel/keeper/keeper-client.js";
import { field, Fields } from "../../../server/kernel/keeper/keeper-fields.js";
import { encodeFrame, FrameType, Tag } from "../../../server/kernel/keeper/keeper-frame.js";
import { KeeperLink } from "../../../server/kernel/keeper/keeper-link.js";
import type { KeeperProgram } from "../../../server/kernel/keeper/keeper-program.js";
import type { KeeperEvents } from "../../../server/processes/keeper.js";
import { eventually } from "../../support/eventually.js";
import { uidOf } from "../processes/fixture.js";
import { notice, SocketKeeper } from "./socket-keeper.js";

const UID = uidOf(1);
const STDIN_READY = notice(FrameType.stdinReady, field.uid(Tag.id, UID));
const TREE_GONE = notice(FrameType.treeGone, field.uid(Tag.id, UID));

/** Time that passes only in sleeps, and at once. */
class FastClock implements Clock {
  readonly slept: number[] = [];
  #now = 0;

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#now;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    this.#now += ms;
    this.slept.push(ms);
  }
}

describe("the link to the keeper", () => {
  let directory: string;
  let socketPath: string;
  let client: KeeperClient;
  let clock: FastClock;
  let told: string[];
  let logged: string[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "forkbus-link-"));
    socketPath = join(directory, "keeper.sock");
    client = new KeeperClient();
    clock = new FastClock();
    told = [];
    logged = [];
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  function start(program: Partial<KeeperProgram> = {}): Promise<KeeperLink> {
    const tell = (name: string) => (): void => {
      told.push(name);
    };
    const events: KeeperEvents = {
      connected: (identity, workers) => {
        told.push(`connected ${identity.instance} ${workers.map(({ uid }) => uid).join()}`);
      },
      disconnected: tell("disconnected"),
      spawned: tell("spawned"),
      spawnFailed: tell("spawnFailed"),
      exited: tell("exited"),
      treeGone: tell("treeGone"),
      stdinReady: tell("stdinReady"),
      born: tell("born"),
      serving: tell("serving"),
      called: tell("called"),
    };
    const log = (message: string): void => {
      logged.push(message);
    };
    return KeeperLink.start({
      program: {
        path: join(directory, "no-keeper"),
        version: null,
        socketPath,
        launch: {
          directory,
          logPath: join(directory, "keeper.log"),
          cgroup: "none",
          policyPath: null,
          startDeadlineMs: 1,
          reserveBytes: 0,
        },
        ...program,
      },
      client,
      events,
      clock,
      log: { debug: log, info: log, warn: log, error: log },
    });
  }

  function toldOf(...names: readonly string[]): Promise<unknown> {
    return eventually(
      () => told.map((name) => name.split(" ")[0]),
      (seen) => seen.join() === names.join(),
      { what: names.join(), withinMs: 5000 },
    );
  }

  it("finds the keeper that is there, and tells what it has before all else", async () => {
    await using keeper = await SocketKeeper.listen(socketPath);
    const starting = [field.uid(Tag.id, UID), field.u32(Tag.state, 1)];
    keeper.workers = [[FrameType.worker, starting]];
    keeper.behindList = Buffer.concat([STDIN_READY, TREE_GONE]);
    await using _link = await start();
    assert.deepEqual(told, [`connected ab ${UID}`, "stdinReady", "treeGone"]);
    assert.deepEqual(logged, ["keeper found"]);
    assert.equal(client.welcome?.version, "1");
    keeper.send(STDIN_READY);
    await toldOf("connected", "stdinReady", "treeGone", "stdinReady");
  });

  it("connects again when the connection is lost, and fails what was under way", async () => {
    await using keeper = await SocketKeeper.listen(socketPath);
    await using _link = await start();
    keeper.answer = ({ type }) => (type === FrameType.remove ? undefined : [[FrameType.ok, []]]);
    const lost = client.removeOutput(UID);
    await eventually(
      () => keeper.requestsOf(FrameType.remove).length,
      (seen) => seen === 1,
    );
    keeper.drop();
    await assert.rejects(lost, { code: "keeper-unreachable" });
    await toldOf("connected", "disconnected", "connected");
    keeper.answer = () => [[FrameType.ok, []]];
    await client.removeOutput(UID);
    keeper.drop();
    await toldOf("connected", "disconnected", "connected", "disconnected", "connected");
  });

  it("connects again when the keeper sends what cannot be a frame", async () => {
    await using keeper = await SocketKeeper.listen(socketPath);
    await using _link = await start();
    keeper.send(Buffer.alloc(12, 0xff));
    await toldOf("connected", "disconnected", "connected");
  });

  it("stays when a later keeper tells more than it knows", async () => {
    await using keeper = await SocketKeeper.listen(socketPath);
    await using _link = await start();
    keeper.send(Buffer.concat([notice(120), STDIN_READY]));
    await toldOf("connected", "stdinReady");
    assert.equal(keeper.accepted, 1);
  });

  it("ties each answer to its request, in whatever order they come", async () => {
    await using keeper = await SocketKeeper.listen(socketPath);
    await using _link = await start();
    keeper.answer = () => undefined;
    const answers = [client.writeStdin(UID, 0n, Buffer.from("a")), client.closeStdin(UID)];
    const requests = await eventually(
      () => keeper.requestsOf(FrameType.writeStdin),
      (seen) => seen.length === 2,
    );
    for (const { request } of [...requests].reverse()) {
      keeper.send(stdinAnswer(request, BigInt(request)));
    }
    assert.deepEqual(
      (await Promise.all(answers)).map((answer) => "nextOffset" in answer && answer.nextOffset),
      requests.map(({ request }) => BigInt(request)),
    );
  });

  it("goes on trying while there is no keeper, with longer and longer pauses", async () => {
    {
      await using keeper = await SocketKeeper.listen(socketPath);
      const link = await start();
      await keeper[Symbol.asyncDispose]();
      await eventually(
        () => clock.slept.at(-1),
        (seen) => seen === 1000,
      );
      assert.deepEqual(clock.slept.slice(0, 9), [5, 10, 20, 40, 80, 160, 320, 640, 1000]);
      await assert.rejects(client.removeOutput(UID), { code: "keeper-unreachable" });
      await using _again = await SocketKeeper.listen(socketPath);
      await toldOf("connected", "disconnected", "connected");
      assert.ok(logged.includes("keeper cannot be reached"));
      await link[Symbol.asyncDispose]();
    }
  });

  it("upgrades a keeper of another release in place, and goes on with the new one", async () => {
    await using keeper = await SocketKeeper.listen(socketPath);
    keeper.answer = ({ type }) => {
      if (type === FrameType.upgrade) keeper.version = "2";
      return [[FrameType.ok, []]];
    };
    await using _link = await start({ version: "2" });
    const [upgrade] = keeper.requestsOf(FrameType.upgrade);
    assert.ok(upgrade !== undefined);
    assert.equal(new Fields(upgrade).text(Tag.path), join(directory, "no-keeper"));
    assert.equal(client.welcome?.version, "2");
    assert.deepEqual(logged, ["keeper found", "keeper upgraded"]);
    assert.deepEqual(
      told.map((name) => name.split(" ")[0]),
      ["connected", "disconnected", "connected"],
    );
    await eventually(
      () => keeper.connections.size,
      (seen) => seen === 1,
    );
  });

  it("upgrades nothing that is current, or that the operator chose", async () => {
    await using keeper = await SocketKeeper.listen(socketPath);
    for (const version of ["1", null]) {
      await using _link = await start({ version });
    }
    assert.deepEqual(keeper.requestsOf(FrameType.upgrade), []);
  });

  it("goes on with a keeper that refuses to be upgraded", async () => {
    await using keeper = await SocketKeeper.listen(socketPath);
    keeper.answer = ({ type }) =>
      type === FrameType.upgrade
        ? [[FrameType.error, [field.u32(Tag.errno, 1)]]]
        : [[FrameType.ok, []]];
    await using _link = await start({ version: "2" });
    assert.deepEqual(logged, ["keeper found", "keeper cannot be upgraded"]);
    await client.removeOutput(UID);
    assert.equal(keeper.accepted, 1);
  });

  it("gives up with a sentence when the keeper that it started does not answer", async () => {
    await assert.rejects(start({ path: "/bin/true" }), {
      message: `The keeper does not answer at ${socketPath}; see ${join(directory, "keeper.log")}`,
    });
    assert.ok(clock.now() > 5000);
    await assert.rejects(start(), { message: /^Cannot start the keeper .*no-keeper$/ });
  });

  it("waits for a keeper that somebody else starts, and gives up with a sentence", async () => {
    await assert.rejects(start({ launch: null }), {
      message: `The keeper does not answer at ${socketPath}; is it running?`,
    });
    assert.ok(clock.now() > 5000);
    logged = [];
    const linked = start({ launch: null });
    await using _keeper = await SocketKeeper.listen(socketPath);
    await using _link = await linked;
    assert.deepEqual(logged, ["waiting for the keeper", "keeper found"]);
  });

  it("ends while it connects, and leaves no connection behind", async () => {
    await using keeper = await SocketKeeper.listen(socketPath);
    const link = await start();
    keeper.answer = () => undefined;
    keeper.drop();
    await eventually(
      () => keeper.requestsOf(FrameType.hello).length,
      (seen) => seen === 2,
    );
    await link[Symbol.asyncDispose]();
    await eventually(
      () => keeper.connections.size,
      (seen) => seen === 0,
      { what: "the end of the connection", withinMs: 5000 },
    );
    assert.equal(client.isConnected, false);
  });

  it("leaves no connection behind that was made at the moment of its end", async () => {
    await using keeper = await SocketKeeper.listen(socketPath);
    const link = await start();
    let ended: Promise<void> | undefined;
    keeper.answer = ({ type }) => {
      if (type === FrameType.list) ended ??= link[Symbol.asyncDispose]();
      return [[FrameType.ok, []]];
    };
    keeper.drop();
    await eventually(
      () => ended !== undefined,
      (seen) => seen,
    );
    await ended;
    await eventually(
      () => keeper.connections.size,
      (seen) => seen === 0,
      { what: "the end of the connection", withinMs: 5000 },
    );
    assert.equal(client.isConnected, false);
  });
});

function stdinAnswer(request: number, nextOffset: bigint): Buffer {
  return encodeFrame({
    type: FrameType.stdin,
    request,
    fields: [field.u64(Tag.offset, nextOffset)],
  });
}
