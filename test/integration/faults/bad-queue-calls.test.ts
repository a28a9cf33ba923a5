import type { CallOptions } from "nice-grpc";
import assert from "node:assert/strict";
import { FullPolicy } from "../../../proto/gen/forkbus/v1/queue.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { checkRefusal, drained, type Expected, refusalOf } from "./refusal.js";
import { checkStillWorks } from "./still-works.js";

const MIB = 1024 * 1024;
const MAX_ITEM_BYTES = 1_048_512;

describe("a call on a queue that cannot be", () => {
  let daemon: DaemonHarness;
  let first: { readonly pid: number; readonly keeperPid: number | undefined };

  async function refused(
    expected: Expected,
    call: (options: CallOptions) => Promise<unknown>,
  ): Promise<void> {
    checkRefusal(await refusalOf(call), expected);
  }

  before(async () => {
    daemon = await DaemonHarness.start();
    first = { pid: daemon.pid, keeperPid: daemon.keeperPid };
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    const { queues } = daemon;
    await queues.createQueue({ queue: { name: "well" } });
    await queues.put({ queue: "well", frame: { items: [Buffer.from("item")] } });
    const { frame } = await queues.get({ queue: "well" });
    assert.deepEqual(frame?.items.map(String), ["item"]);
    await queues.deleteQueue({ name: "well" });
    await checkStillWorks(daemon, first);
  });

  it("says that there is no such queue", async () => {
    const { queues } = daemon;
    const unknown: Expected = { status: "NOT_FOUND/QUEUE_NOT_FOUND", names: ["missing"] };
    const frame = { items: [new Uint8Array(1)] };
    await refused(unknown, (options) => queues.getQueue({ name: "missing" }, options));
    await refused(unknown, (options) => queues.shutdownQueue({ name: "missing" }, options));
    await refused(unknown, (options) => queues.put({ queue: "missing", frame }, options));
    await refused(unknown, (options) => queues.get({ queue: "missing" }, options));
    await refused(unknown, (options) => drained(queues.subscribe({ queue: "missing" }, options)));
    await refused({ status: "NOT_FOUND/SUBSCRIPTION_NOT_FOUND", names: ["nothing"] }, (options) =>
      queues.take({ subscriptionId: "nothing", takenTotal: 1n }, options),
    );
    await queues.deleteQueue({ name: "missing" });
    assert.equal((await queues.cancelWait({ requestId: "missing" })).found, false);
  });

  it("refuses names, labels, ids and numbers that are none", async () => {
    const { queues } = daemon;
    await queues.createQueue({ queue: { name: "q" } });
    for (const name of ["Upper", "nul\0", "a".repeat(129)]) {
      await refused(invalid("name"), (options) => queues.getQueue({ name }, options));
      await refused(invalid("name"), (options) => queues.createQueue({ queue: { name } }, options));
    }
    await refused(invalid("labels", "Upper"), (options) =>
      queues.createQueue({ queue: { labels: { Upper: "" } } }, options),
    );
    await refused(invalid("max_bytes"), (options) =>
      queues.createQueue({ queue: { spec: { maxBytes: 1n << 40n } } }, options),
    );
    await refused(invalid("spec.max_items", String(1n << 60n)), (options) =>
      queues.createQueue({ queue: { spec: { maxItems: 1n << 60n } } }, options),
    );
    await refused(invalid("spec.full_policy"), (options) =>
      queues.createQueue({ queue: { spec: { fullPolicy: FullPolicy.UNRECOGNIZED } } }, options),
    );
    await refused(invalid("max_items", "65537"), (options) =>
      queues.get({ queue: "q", maxItems: 65_537, waitMs: 0 }, options),
    );
    await refused(invalid("request_id", "a b"), (options) =>
      queues.get({ queue: "q", requestId: "a b", waitMs: 0 }, options),
    );
    await refused(invalid("max_frame_items", "65537"), (options) =>
      drained(queues.subscribe({ queue: "q", maxFrameItems: 65_537 }, options)),
    );
    await refused({ status: "INVALID_ARGUMENT/PAGE_TOKEN_INVALID", names: ["token"] }, (options) =>
      queues.listQueues({ pageToken: "x" }, options),
    );
    await queues.deleteQueue({ name: "q" });
  });

  it("refuses a name that another kind of queue has", async () => {
    const { queues } = daemon;
    await queues.createQueue({ queue: { name: "q", spec: { maxItems: 1n } } });
    await refused({ status: "ALREADY_EXISTS/QUEUE_EXISTS", names: ["q"] }, (options) =>
      queues.createQueue({ queue: { name: "q", spec: { maxItems: 2n } } }, options),
    );
    const frame = { items: [Buffer.from("x")] };
    await queues.put({ queue: "q", frame });
    await refused({ status: "FAILED_PRECONDITION/QUEUE_NOT_EMPTY", names: ["q"] }, (options) =>
      queues.deleteQueue({ name: "q", onlyIfEmpty: true }, options),
    );
    await refused({ status: "ABORTED/UID_MISMATCH", names: ["q"] }, (options) =>
      queues.deleteQueue({ name: "q", uid: "00000000-0000-4000-8000-000000000000" }, options),
    );
    const full: Expected = { status: "RESOURCE_EXHAUSTED/QUEUE_FULL", names: ["q"] };
    await refused(full, (options) => queues.put({ queue: "q", frame, waitMs: 0 }, options));
    await refused(full, (options) => queues.put({ queue: "q", frame, waitMs: 20 }, options));
    const { queue } = await queues.getQueue({ name: "q" });
    assert.equal(queue?.status?.put, 1n, "a refused put puts nothing later");
    await queues.deleteQueue({ name: "q" });
  });

  it("refuses items, frames and requests that are too large", async () => {
    const { queues } = daemon;
    await queues.createQueue({ queue: { name: "q" } });
    await queues.createQueue({ queue: { name: "small", spec: { maxBytes: 10n } } });
    const put = (queue: string, items: readonly Uint8Array[], count = 0) => {
      return (options: CallOptions) =>
        queues.put({ queue, waitMs: 0, frame: { items: [...items], count } }, options);
    };
    await refused(invalid("at least one item"), put("q", []));
    await refused(
      { status: "INVALID_ARGUMENT/FRAME_COUNT_MISMATCH", names: ["frame.count", "2", "1"] },
      put("q", [new Uint8Array(1)], 2),
    );
    await refused(
      { status: "INVALID_ARGUMENT/ITEM_TOO_LARGE", names: [String(MAX_ITEM_BYTES)] },
      put("q", [new Uint8Array(MAX_ITEM_BYTES + 1)]),
    );
    await refused(
      { status: "INVALID_ARGUMENT/ITEM_TOO_LARGE", names: ["11", "10"] },
      put("small", [new Uint8Array(11)]),
    );
    await refused(invalid("10"), put("small", [new Uint8Array(6), new Uint8Array(6)]));
    await refused(
      { status: "INVALID_ARGUMENT/FRAME_TOO_LARGE", names: [String(MIB)] },
      put("q", [new Uint8Array(MIB / 2), new Uint8Array(MIB / 2)]),
    );
    const tooLarge: Expected = {
      status: "RESOURCE_EXHAUSTED/REQUEST_TOO_LARGE",
      names: [String(4 * MIB)],
    };
    await refused(tooLarge, put("q", [new Uint8Array(4 * MIB + 1)]));
    const { queue } = await queues.getQueue({ name: "q" });
    assert.equal(queue?.status?.put, 0n);
    await put("q", [new Uint8Array(MAX_ITEM_BYTES)])({});
    const { frame } = await queues.get({ queue: "q" });
    assert.equal(frame?.items[0]?.length, MAX_ITEM_BYTES, "the largest item is no problem");
    await queues.deleteQueue({ name: "q" });
    await queues.deleteQueue({ name: "small" });
  });

  it("refuses puts and gets when the queue is shut down, and ends those that wait", async () => {
    const { queues } = daemon;
    await queues.createQueue({ queue: { name: "q" } });
    const shutDown: Expected = { status: "FAILED_PRECONDITION/QUEUE_SHUT_DOWN", names: ["q"] };
    const waiting = refusalOf((options) => queues.get({ queue: "q" }, options));
    await queues.shutdownQueue({ name: "q" });
    checkRefusal(await waiting, shutDown);
    const frame = { items: [Buffer.from("x")] };
    await refused(shutDown, (options) => queues.put({ queue: "q", frame }, options));
    await refused(shutDown, (options) => queues.get({ queue: "q", waitMs: 0 }, options));
    await queues.deleteQueue({ name: "q" });
  });

  it("tells those who wait when the queue is deleted", async () => {
    const { queues } = daemon;
    await queues.createQueue({ queue: { name: "q", spec: { maxItems: 1n } } });
    const frame = { items: [Buffer.from("x")] };
    await queues.put({ queue: "q", frame });
    const waiting = refusalOf((options) => queues.put({ queue: "q", frame }, options));
    const cancelled = refusalOf((options) =>
      queues.put({ queue: "q", frame, requestId: "wait" }, options),
    );
    while (!(await queues.cancelWait({ requestId: "wait" })).found);
    checkRefusal(await cancelled, { status: "ABORTED/WAIT_CANCELLED", names: ["CancelWait"] });
    await queues.deleteQueue({ name: "q" });
    checkRefusal(await waiting, { status: "NOT_FOUND/QUEUE_DELETED", names: ["q"] });
  });

  it("refuses a request_id that was used for other items", async () => {
    const { queues } = daemon;
    await queues.createQueue({ queue: { name: "q" } });
    const put = (text: string) => ({
      queue: "q",
      requestId: "once",
      frame: { items: [Buffer.from(text)] },
    });
    await queues.put(put("a"));
    await queues.put(put("a"));
    await refused({ status: "INVALID_ARGUMENT/REQUEST_ID_REUSED", names: ["once"] }, (options) =>
      queues.put(put("b"), options),
    );
    assert.equal((await queues.getQueue({ name: "q" })).queue?.status?.put, 1n);
    await queues.deleteQueue({ name: "q" });
  });
});

function invalid(...names: readonly (string | RegExp)[]): Expected {
  return { status: "INVALID_ARGUMENT/INVALID_FIELD", names };
}
