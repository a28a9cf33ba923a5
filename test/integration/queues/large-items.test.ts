import assert from "node:assert/strict";
import { type Frame } from "../../../proto/gen/forkbus/v1/frame.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { RawQueueClient } from "../../support/raw-queue-client.js";
import { look } from "./support.js";

const MIB = 1024 * 1024;
const largest = 64 * MIB;
const queue = "q";

/** The item that these frames are the parts of; they come in order, one part in each. */
function joined(frames: readonly Frame[]): Buffer {
  let offset = 0n;
  for (const { part, items, count, firstSeq } of frames) {
    assert.deepEqual(part, { offset, itemBytes: BigInt(largest) });
    assert.deepEqual([items.length, count, firstSeq], [1, 1, frames[0]?.firstSeq]);
    offset += BigInt(items[0]?.length ?? 0);
  }
  return Buffer.concat(frames.flatMap(({ items }) => items));
}

describe("an item of 64 MiB", function () {
  this.timeout(60_000);

  it("goes through Produce, Consume and Subscribe in parts, and Get leaves it where it is", async () => {
    await using daemon = await DaemonHarness.start();
    using client = new RawQueueClient(daemon.address);
    await daemon.queues.createQueue({ queue: { name: queue } });
    const item = Buffer.alloc(largest);
    for (let at = 0; at < largest; at += 4) item.writeUInt32LE((at * 2_654_435_761) >>> 0, at);

    const producer = client.produce({ queue });
    await producer.opened();
    const itemBytes = BigInt(largest);
    for (let offset = 0; offset < largest; offset += MIB - 100) {
      const piece = item.subarray(offset, offset + MIB - 100);
      await producer.windowFor(offset);
      producer.frame({ part: { offset: BigInt(offset), itemBytes }, items: [piece] });
    }
    producer.put("after");
    await producer.settled(2);
    assert.deepEqual(producer.rejects, []);

    await assert.rejects(
      daemon.queues.get({ queue, maxItems: 9 }),
      /FAILED_PRECONDITION.*67108864/,
    );
    const refused = await look(daemon, queue);
    assert.deepEqual([refused.ready, refused.untaken], [2n, 0n]);

    const consumer = client.consume({ queue }, 1);
    await consumer.receivedBytes(largest);
    const frames = consumer.responses.flatMap(({ frame }) => frame ?? []);
    assert.ok(joined(frames).equals(item));
    assert.ok(frames.every(({ firstSeq }) => firstSeq === 1n));
    const held = await look(daemon, queue);
    assert.deepEqual([held.ready, held.untaken], [1n, 1n], "it counts as one");
    consumer.cancel();

    const received: Frame[] = [];
    const subscription = daemon.queues.subscribe({ queue, reportTaken: true, maxUntakenItems: 9 });
    let id = "";
    for await (const { subscriptionId, frame } of subscription) {
      if (subscriptionId !== "") id = subscriptionId;
      if (frame === undefined) continue;
      if (frame.part === undefined) {
        assert.deepEqual(frame.items.map(String), ["after"], "what follows is no part of it");
        break;
      }
      received.push(frame);
      if (received.length === frames.length) {
        await daemon.queues.take({ subscriptionId: id, takenTotal: 1n });
      }
    }
    assert.ok(joined(received).equals(item));
    const last = await daemon.queues.get({ queue });
    assert.deepEqual(last.frame?.items.map(String), ["after"]);
    assert.equal((await look(daemon, queue)).acked, 2n);
  });

  it("that is cut off in the middle never was", async () => {
    await using daemon = await DaemonHarness.start();
    using client = new RawQueueClient(daemon.address);
    await daemon.queues.createQueue({ queue: { name: queue } });
    const producer = client.produce({ queue, producerId: "p" });
    await producer.opened();
    const part = { offset: 0n, itemBytes: BigInt(largest) };
    producer.put("before");
    producer.frame({ part, items: [Buffer.alloc(MIB - 100)] });
    await producer.settled(1);
    producer.cancel();
    await producer.ended();
    const again = client.produce({ queue, producerId: "p" });
    assert.equal(await again.opened(), 2);
    again.put("instead");
    await again.settled(2);
    const { frame } = await daemon.queues.get({ queue, maxItems: 9 });
    assert.deepEqual(frame?.items.map(String), ["before", "instead"]);
  });
});
