import assert from "node:assert/strict";
import { GetEnd } from "../../../proto/gen/forkbus/v1/queue.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { RawQueueClient } from "../../support/raw-queue-client.js";
import { killClient, look, numbers, said, startClient } from "./support.js";

const queue = "q";

async function aFullQueue(daemon: DaemonHarness, count: number): Promise<void> {
  await daemon.queues.createQueue({ queue: { name: queue } });
  const items = numbers(1, count).map((item) => Buffer.from(item));
  await daemon.queues.put({ queue, frame: { items } });
}

describe("consumers with full windows", function () {
  this.timeout(60_000);
  let daemon: DaemonHarness;

  beforeEach(async () => {
    daemon = await DaemonHarness.start();
    await aFullQueue(daemon, 100);
  });

  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  /** What the queue says of itself, when it has come to say it. */
  async function status(consumers: number, expected: Record<string, bigint>): Promise<void> {
    const seen = await eventually(
      () => look(daemon, queue),
      (now) => now.consumers === consumers,
      { what: `${consumers} consumers` },
    );
    const { ready, untaken, acked } = seen;
    assert.deepEqual({ ready, untaken, acked }, expected);
  }

  it("lose what they took and no more, when stuck, killed and closed; the rest is back in its old place", async () => {
    using stuckClient = new RawQueueClient(daemon.address);
    const stuck = stuckClient.consume({ queue }, 10);
    assert.deepEqual(await stuck.received(10), numbers(1, 10));
    const killed = startClient("consume", daemon.address, queue, "10", "5");
    try {
      assert.equal(await said(killed), numbers(11, 20).join(" "));
      using closing = new RawQueueClient(daemon.address);
      const closed = closing.consume({ queue }, 10);
      assert.deepEqual(await closed.received(10), numbers(21, 30));
      await closed.take(3);
      using other = new RawQueueClient(daemon.address);
      const well = other.consume({ queue }, 5);
      assert.deepEqual(await well.received(5), numbers(31, 35));
      await status(4, { ready: 65n, untaken: 27n, acked: 8n });

      await killClient(killed);
      await status(3, { ready: 70n, untaken: 22n, acked: 8n });
      closed.cancel();
      await status(2, { ready: 77n, untaken: 15n, acked: 8n });

      well.grant(1000);
      const back = [...numbers(16, 20), ...numbers(24, 30)];
      const expected = [...numbers(31, 35), ...back, ...numbers(36, 100)];
      assert.deepEqual(await well.received(82), expected);
      await well.take(82);
      await status(2, { ready: 0n, untaken: 10n, acked: 90n });

      assert.deepEqual(
        stuck.items,
        numbers(1, 10),
        "the stuck one keeps its own, and gets no more",
      );
      stuckClient[Symbol.dispose]();
      stuck.cancel();
      assert.deepEqual((await well.received(92)).slice(82), numbers(1, 10));
      await well.take(92);
      await status(1, { ready: 0n, untaken: 0n, acked: 100n });
    } finally {
      await killClient(killed);
    }
  });

  it("give back in order what several had, whoever goes first", async () => {
    using client = new RawQueueClient(daemon.address);
    const consumers = [];
    for (let n = 0; n < 5; n++) {
      const consumer = client.consume({ queue }, 10);
      await consumer.received(10);
      consumers.push(consumer);
    }
    for (const index of [3, 0, 4, 1, 2]) consumers[index]?.cancel();
    await status(0, { ready: 100n, untaken: 0n, acked: 0n });
    const { frame } = await daemon.queues.get({ queue, maxItems: 100 });
    assert.deepEqual(frame?.items.map(String), numbers(1, 100));
  });

  it("end with OK when they half-close, after all that they took is confirmed", async () => {
    using client = new RawQueueClient(daemon.address);
    const consumer = client.consume({ queue }, 10);
    await consumer.received(10);
    const taken = consumer.take(7);
    consumer.halfClose();
    await taken;
    assert.equal((await consumer.ended()).code, 0);
    await status(0, { ready: 93n, untaken: 0n, acked: 7n });
  });

  it("are refused more than they were sent, and keep what they took", async () => {
    using client = new RawQueueClient(daemon.address);
    const consumer = client.consume({ queue }, 10);
    await consumer.received(10);
    await consumer.take(4);
    await assert.rejects(
      Promise.race([
        consumer.take(11),
        consumer.ended().then(({ details }) => Promise.reject(new Error(details))),
      ]),
      /taken_total is 11, but only 10 items were sent/,
    );
    await status(0, { ready: 96n, untaken: 0n, acked: 4n });
  });

  it("are sent no more bytes than they have credit for, but for the last item", async () => {
    using client = new RawQueueClient(daemon.address);
    const consumer = client.consume({ queue });
    consumer.grant(1000, 10);
    // Nine items of one byte, then one of two.
    await consumer.received(10);
    consumer.grant(1000, 12);
    assert.deepEqual(await consumer.received(11), numbers(1, 11));
    await status(1, { ready: 89n, untaken: 11n, acked: 0n });
  });

  it("are told when the queue is shut down and empty, deleted, or the daemon stops", async () => {
    using client = new RawQueueClient(daemon.address);
    const endOf = async (end: () => Promise<unknown>): Promise<GetEnd | undefined> => {
      const consumer = client.consume({ queue }, 0);
      await eventually(
        () => look(daemon, queue),
        ({ consumers }) => consumers === 1,
      );
      await Promise.all([consumer.ended(), end()]);
      assert.equal(consumer.status?.code, 0);
      return consumer.responses.at(-1)?.end;
    };
    const immediate = () => daemon.queues.shutdownQueue({ name: queue, immediate: true });
    assert.equal(await endOf(immediate), GetEnd.SHUT_DOWN);
    await daemon.queues.deleteQueue({ name: queue });
    await daemon.queues.createQueue({ queue: { name: queue } });
    assert.equal(await endOf(() => daemon.queues.deleteQueue({ name: queue })), GetEnd.DELETED);
    await daemon.queues.createQueue({ queue: { name: queue } });
    assert.equal(await endOf(() => daemon.stop()), GetEnd.GOAWAY);
  });
});
