import assert from "node:assert/strict";
import { once } from "node:events";
import { status as codes } from "@grpc/grpc-js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { RawQueueClient } from "../../support/raw-queue-client.js";
import { killClient, look, numbers, residentBytes, startClient } from "./support.js";

const queue = "q";
const MIB = 1024 * 1024;

/** Numbers that look random, and are the same in every run (a linear congruential generator). */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe("producers", function () {
  this.timeout(60_000);
  let daemon: DaemonHarness;
  let client: RawQueueClient;

  beforeEach(async () => {
    daemon = await DaemonHarness.start();
    client = new RawQueueClient(daemon.address);
  });

  afterEach(async () => {
    client[Symbol.dispose]();
    await daemon[Symbol.asyncDispose]();
  });

  const create = (maxItems = 0) =>
    daemon.queues.createQueue({ queue: { name: queue, spec: { maxItems: BigInt(maxItems) } } });

  it("that are killed at random moments store each item once when they go on", async () => {
    await create(200);
    const total = 3000;
    const random = seeded(20_260_101);
    const consumer = client.consume({ queue, maxFrameItems: 64 }, 1);
    /** What was sent and not taken fills the queue too, so it goes step by step. */
    const receive = async (count: number): Promise<void> => {
      for (let got = consumer.items.length; got < count; got = consumer.items.length) {
        consumer.grant(Math.min(count, got + 100));
        await consumer.received(Math.min(count, got + 100));
        await consumer.take(consumer.items.length);
      }
    };
    let target = 1;
    for (let cut = 0; cut < 6; cut++) {
      const producer = startClient("produce", daemon.address, queue, "p", String(total));
      target += random(400);
      await receive(target);
      await killClient(producer);
      await eventually(
        () => look(daemon, queue),
        ({ producers }) => producers === 0,
        { what: "the producer to be gone" },
      );
    }
    const last = startClient("produce", daemon.address, queue, "p", String(total));
    const exited = once(last, "exit");
    await receive(total);
    assert.deepEqual(consumer.items, numbers(1, total));
    assert.deepEqual(await exited, [0, null]);
    assert.equal((await look(daemon, queue)).put, BigInt(total));
  });

  it("are fenced by a second stream with their id, which goes on where they were", async () => {
    await create(2);
    const first = client.produce({ queue, producerId: "p" });
    assert.equal(await first.opened(), 1);
    first.put("1", "2", "3");
    await first.settled(2);
    const second = client.produce({ queue, producerId: "p" });
    assert.equal(await second.opened(), 3);
    const { code, metadata } = await first.ended();
    assert.equal(code, codes.ABORTED);
    assert.match(String(metadata.get("grpc-status-details-bin")[0]), /PRODUCER_FENCED/);
    second.put("3");
    await daemon.queues.get({ queue, maxItems: 2 });
    await second.settled(3);
    assert.equal((await look(daemon, queue)).put, 3n);
  });

  it("are told what is rejected when the queue is shut down, and end with OK", async () => {
    await create(1);
    const producer = client.produce({ queue });
    producer.put("1", "2");
    await producer.settled(1);
    await daemon.queues.shutdownQueue({ name: queue, immediate: false });
    producer.put("3");
    producer.halfClose();
    assert.equal((await producer.ended()).code, 0);
    const seqs = producer.responses.flatMap(({ rejects }) => rejects.map(({ seqs }) => seqs));
    assert.equal(seqs[0]?.first, 2n);
    assert.equal(seqs.at(-1)?.last, 3n);
    const [reject] = producer.responses.flatMap(({ rejects }) => rejects);
    assert.equal(reject?.failure?.code, codes.FAILED_PRECONDITION);
    assert.equal((await look(daemon, queue)).put, 1n);
  });

  it("end when the queue is deleted, and when the daemon stops", async () => {
    await create(1);
    const deleted = client.produce({ queue });
    deleted.put("1", "2");
    await deleted.settled(1);
    await daemon.queues.deleteQueue({ name: queue });
    const { code, metadata } = await deleted.ended();
    assert.equal(code, codes.NOT_FOUND);
    assert.match(String(metadata.get("grpc-status-details-bin")[0]), /QUEUE_DELETED/);
    await create(1);
    const stopped = client.produce({ queue });
    stopped.put("1", "2");
    await stopped.settled(1);
    const [end] = await Promise.all([stopped.ended(), daemon.stop()]);
    assert.equal(end.code, 0);
    const { goaway, acceptedSeq } = stopped.responses.at(-1) ?? {};
    assert.deepEqual({ goaway, acceptedSeq }, { goaway: true, acceptedSeq: 1n });
  });

  it("fill a queue to its bound and never beyond, eight of them", async () => {
    await create(50);
    const each = 500;
    const producers = Array.from({ length: 8 }, (_, index) => {
      const producer = client.produce({ queue });
      for (let n = 1; n <= each; n += 20) {
        producer.put(...numbers(n, n + 19).map((number) => `${index}:${number}`));
      }
      producer.halfClose();
      return producer;
    });
    const consumer = client.consume({ queue, maxFrameItems: 16 }, 0);
    let most = 0n;
    for (let got = 0; got < 8 * each;) {
      consumer.grant(got + 30);
      const { ready, untaken } = await look(daemon, queue);
      if (ready + untaken > most) most = ready + untaken;
      await consumer.received(Math.min(got + 30, 8 * each));
      got = consumer.items.length;
      await consumer.take(got);
    }
    assert.equal(most, 50n, "it is full, and not fuller");
    for (const [index, producer] of producers.entries()) {
      assert.equal((await producer.ended()).code, 0);
      assert.equal(producer.accepted, each);
      const own = consumer.items.filter((item) => item.startsWith(`${index}:`));
      assert.deepEqual(
        own,
        numbers(1, each).map((number) => `${index}:${number}`),
      );
    }
    assert.equal(consumer.items.length, 8 * each);
  });

  it("and a reader that never reads cost the daemon a bounded amount of memory", async () => {
    const maxBytes = BigInt(16 * MIB);
    await daemon.queues.createQueue({ queue: { name: queue, spec: { maxBytes } } });
    const consumer = client.consume({ queue }, 1_000_000);
    consumer.pause();
    const before = residentBytes(daemon.pid);
    using other = new RawQueueClient(daemon.address);
    const producer = other.produce({ queue });
    await producer.opened();
    const item = Buffer.alloc(500_000, 1);
    // As far as the window goes, again and again, until it no longer moves.
    let sent = 0;
    const window = (): bigint => producer.responses.at(-1)?.windowBytes ?? 0n;
    const fill = (): void => {
      for (; sent * item.length < window(); sent++) producer.frame({ items: [item] });
    };
    await eventually(
      async () => {
        fill();
        return look(daemon, queue);
      },
      ({ waitingPuts, storedBytes }) => waitingPuts > 4 && storedBytes > maxBytes - 500_000n,
      { what: "the queue to be full" },
    );
    const { storedBytes, waitingPuts } = await look(daemon, queue);
    assert.ok(storedBytes <= maxBytes);
    assert.ok(waitingPuts <= 9, `${waitingPuts} frames wait: the window holds 4 MiB`);
    const grown = residentBytes(daemon.pid) - before;
    assert.ok(grown < 96 * MIB, `grown by ${Math.round(grown / MIB)} MiB`);
    producer.cancel();
    consumer.cancel();
    await eventually(
      () => look(daemon, queue),
      ({ consumers, producers, untaken }) => consumers + producers + Number(untaken) === 0,
      { what: "all to be gone" },
    );
  });
});
