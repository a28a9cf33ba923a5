import assert from "node:assert/strict";
import { FullPolicy, GetEnd, QueueState } from "../../../proto/gen/forkbus/v1/queue.js";
import { DomainError } from "../../../server/core/errors.js";
import { type CallContext } from "../../../server/grpc/call-context.js";
import { QueueService } from "../../../server/grpc/queue-service.js";
import { Items } from "../../../wire/items.js";
import { aTable, items, texts, zeros } from "./fixture.js";

const code = (expected: string) => (error: unknown) =>
  error instanceof DomainError && error.code === expected;

function caller(uid = 1) {
  const controller = new AbortController();
  const context: CallContext = {
    signal: controller.signal,
    principal: { kind: "local-user", uid, gid: uid, pid: 2 },
    method: "forkbus.v1.QueueService/Any",
    undeliverable: (undo) => {
      if (controller.signal.aborted) undo();
    },
    onDelivered: (done) => {
      if (!controller.signal.aborted) done();
    },
  };
  return {
    context,
    cancel: () => {
      controller.abort(new Error("cancelled"));
    },
  };
}

const noStatus = { uid: "", revision: 0n, status: undefined, createTime: undefined, owner: "" };

function aService() {
  const service = new QueueService(aTable().table);
  const { context } = caller();
  const create = (name: string, maxItems = 0n) =>
    service.createQueue(
      {
        queue: {
          ...noStatus,
          name,
          labels: {},
          spec: { maxItems, maxBytes: 0n, fullPolicy: FullPolicy.UNSPECIFIED },
        },
      },
      context,
    );
  const put = (queue: string, toPut: Items, count = 0, requestId = "") =>
    service.put(
      {
        queue,
        waitMs: 0,
        requestId,
        frame: { firstSeq: 0, count, part: undefined, items: toPut },
      },
      context,
    );
  const get = (queue: string, requestId = "", from = context) =>
    service.get({ queue, maxItems: 0, maxBytes: 0, waitMs: undefined, requestId }, from);
  const status = async (name: string) => (await service.getQueue({ name })).queue?.status;
  return { service, create, put, get, status };
}

const subscribe = { maxFrameItems: 2, limit: 0n, maxUntakenItems: 3 };

describe("the queue service", () => {
  it("shows a queue with the values in effect and its owner", async () => {
    const { create } = aService();
    const { queue, created } = await create("jobs", 5n);
    assert.equal(created, true);
    assert.equal(queue?.owner, "uid:1");
    assert.deepEqual(queue.spec, {
      maxItems: 5n,
      maxBytes: 268_435_456n,
      fullPolicy: FullPolicy.BLOCK,
    });
    assert.equal(queue.status?.state, QueueState.OPEN);
  });

  it("gives one item when nothing is said, with its sequence and what is left", async () => {
    const { create, put, get } = aService();
    await create("jobs");
    assert.deepEqual(await put("jobs", items("a", "b"), 2), { stored: 2, firstSeq: 1n });
    const { frame, backlog, end } = await get("jobs");
    assert.deepEqual(texts(frame), ["a"]);
    assert.deepEqual(
      [frame?.firstSeq, frame?.rows.map(({ count }) => count), backlog, end],
      [1, [1], 1n, GetEnd.UNSPECIFIED],
    );
  });

  it("refuses frames that are not what they say, or too large", async () => {
    const { create, put, status } = aService();
    await create("jobs");
    await assert.rejects(put("jobs", items("a"), 2), code("frame-count-mismatch"));
    const large = Items.of([new Uint8Array(600_000), new Uint8Array(600_000)]);
    await assert.rejects(put("jobs", large), code("frame-too-large"));
    await assert.rejects(put("jobs", zeros(1_048_513)), code("item-too-large"));
    await assert.rejects(put("jobs", items("a"), 0, "no spaces"), code("invalid-field"));
    await assert.rejects(put("Jobs", items("a")), code("invalid-field"));
    assert.equal((await status("jobs"))?.put, 0n);
  });

  it("tells items apart by where they end when a put is repeated", async () => {
    const { create, put } = aService();
    await create("jobs");
    await put("jobs", items("ab", "c"), 0, "id");
    assert.deepEqual(await put("jobs", items("ab", "c"), 0, "id"), { stored: 2, firstSeq: 1n });
    await assert.rejects(put("jobs", items("a", "bc"), 0, "id"), code("request-id-reused"));
  });

  it("gives no item to a get that is cancelled when the item comes", async () => {
    const { create, put, get, status } = aService();
    await create("jobs");
    const { context, cancel } = caller();
    const waiting = get("jobs", "", context);
    const stored = put("jobs", items("a"));
    cancel();
    await Promise.allSettled([waiting, stored]);
    assert.equal((await status("jobs"))?.ready, 1n);
  });

  it("cancels waits of the caller and of nobody else", async () => {
    const { service, create, get } = aService();
    await create("jobs");
    const waiting = get("jobs", "g");
    const request = { requestId: "g" };
    assert.deepEqual(await service.cancelWait(request, caller(2).context), { found: false });
    assert.deepEqual(await service.cancelWait(request, caller(1).context), { found: true });
    const { end, frame } = await waiting;
    assert.deepEqual([end, frame], [GetEnd.CANCELLED, undefined]);
  });

  it("keeps untaken what a subscription has not taken, and gives it back at its end", async () => {
    const { service, create, put, status } = aService();
    await create("jobs");
    await put("jobs", items("a", "b", "c", "d"));
    const { context } = caller();
    const request = { ...subscribe, queue: "jobs", reportTaken: true };
    const seen: string[] = [];
    for await (const { subscriptionId, frame } of service.subscribe(request, context)) {
      if (subscriptionId !== "") {
        const early = service.take({ subscriptionId, takenTotal: 1n }, context);
        await assert.rejects(early, code("invalid-field"));
        continue;
      }
      seen.push(...texts(frame));
      if (seen.length === 3) break;
    }
    assert.deepEqual(seen, ["a", "b", "c"]);
    const after = await status("jobs");
    assert.deepEqual([after?.ready, after?.acked, after?.consumers], [4n, 0n, 0]);
  });

  it("takes by itself for a subscription that does not report, and ends with the reason", async () => {
    const { service, create, put, status } = aService();
    await create("jobs");
    await put("jobs", items("a", "b", "c"));
    await service.shutdownQueue({ name: "jobs", immediate: false });
    const request = { ...subscribe, queue: "jobs", reportTaken: false };
    const frames: (readonly string[])[] = [];
    let last: GetEnd = GetEnd.UNSPECIFIED;
    for await (const { frame, end } of service.subscribe(request, caller().context)) {
      if (frame !== undefined) frames.push(texts(frame));
      last = end;
    }
    assert.deepEqual(frames, [["a", "b"], ["c"]]);
    assert.equal(last, GetEnd.SHUT_DOWN);
    assert.equal((await status("jobs"))?.acked, 3n);
  });

  it("ends a subscription that waits when its call is cancelled", async () => {
    const { service, create, status } = aService();
    await create("jobs");
    const { context, cancel } = caller();
    const request = { ...subscribe, queue: "jobs", reportTaken: true };
    const frames = service.subscribe(request, context)[Symbol.asyncIterator]();
    await frames.next();
    const waiting = assert.rejects(frames.next(), /cancelled/);
    assert.equal((await status("jobs"))?.consumers, 1);
    cancel();
    await waiting;
    assert.equal((await status("jobs"))?.consumers, 0);
  });

  it("lists page after page, each token for its own query", async () => {
    const { service, create } = aService();
    for (const name of ["a/1", "a/2", "b"]) await create(name);
    const query = { pageSize: 1, pageToken: "", namePrefix: "a/", labels: {} };
    const first = await service.listQueues(query);
    const second = await service.listQueues({ ...query, pageToken: first.nextPageToken });
    assert.deepEqual(
      [...first.queues, ...second.queues].map(({ name }) => name),
      ["a/1", "a/2"],
    );
    assert.equal(second.nextPageToken, "");
    await assert.rejects(
      service.listQueues({ ...query, namePrefix: "", pageToken: first.nextPageToken }),
      code("page-token-invalid"),
    );
  });
});
