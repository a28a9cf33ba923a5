import assert from "node:assert/strict";
import type { ProcessRecord } from "../../../server/processes/process-record.js";
import { StdinWriter } from "../../../server/processes/stdin.js";
import { orderOf, settled, specOf, SystemFixture } from "./fixture.js";

const NEVER = new AbortController().signal;

describe("stdin of a worker", () => {
  let fixture: SystemFixture;
  let stdin: StdinWriter;
  let record: ProcessRecord;

  async function start(openStdin: boolean): Promise<ProcessRecord> {
    const created = fixture.system.processes.create(
      orderOf({ spec: specOf({ openStdin, cpus: { kind: "none" } }) }),
    );
    await settled();
    for (const uid of fixture.keeper.uids("starting")) fixture.keeper.bear(uid);
    return created;
  }

  beforeEach(async () => {
    fixture = new SystemFixture();
    fixture.connect();
    const { keeper, clock, system } = fixture;
    stdin = new StdinWriter(system.table, keeper, system.supervisor, clock);
    record = await start(true);
  });

  afterEach(async () => {
    await fixture[Symbol.asyncDispose]();
  });

  function write(
    offset: number,
    text: string,
    waitMs: number | null = 0,
    signal = NEVER,
  ): Promise<bigint> {
    return stdin.write(record, BigInt(offset), Buffer.from(text), waitMs, signal);
  }

  function pipe(): string {
    return fixture.keeper.slots.get(record.uid)?.stdin.toString() ?? "";
  }

  it("takes what fits in the pipe, and says how far that is", async () => {
    assert.equal(await write(0, "12345"), 5n);
    assert.equal(await write(5, "6789"), 8n);
    assert.equal(await write(8, "9"), 8n, "it is full");
    assert.equal(pipe(), "12345678");
  });

  it("takes bytes once that are sent twice", async () => {
    await write(0, "1234");
    assert.equal(await write(2, "3456"), 6n);
    assert.equal(await write(0, "12"), 6n);
    assert.equal(await write(6, ""), 6n);
    assert.equal(pipe(), "123456");
  });

  it("tells where to go on when bytes are left out", async () => {
    await write(0, "1234");
    await assert.rejects(write(7, "8"), { code: "offset-gap", facts: { next_offset: "4" } });
    await assert.rejects(write(5, ""), { code: "offset-gap" });
  });

  it("goes on when the worker has read, as often as it takes", async () => {
    const written = write(0, "123456781234567812", null);
    await settled();
    assert.equal(pipe().length, 8);
    fixture.keeper.drainStdin(record.uid);
    await settled();
    assert.equal(pipe().length, 16);
    fixture.keeper.drainStdin(record.uid);
    assert.equal(await written, 18n);
    assert.equal(pipe(), "123456781234567812");
  });

  it("misses no room that comes while the keeper is asked", async () => {
    const written = write(0, "123456789", null);
    fixture.keeper.drainStdin(record.uid);
    assert.equal(await written, 9n);
  });

  it("sends much in messages that the keeper takes", async () => {
    const { keeper } = fixture;
    keeper.pipeBytes = 1_000_000;
    const sizes: number[] = [];
    const original = keeper.writeStdin.bind(keeper);
    keeper.writeStdin = (uid, offset, data) => {
      sizes.push(data.length);
      return original(uid, offset, data);
    };
    const text = "0123456789".repeat(20_000);
    assert.equal(await write(0, text), 200_000n);
    assert.deepEqual(sizes, [65_536, 65_536, 65_536, 3392]);
    assert.equal(pipe(), text);
  });

  it("waits no longer than it may in all, however often there is room", async () => {
    const { keeper, clock } = fixture;
    const written = write(0, "x".repeat(30), 100);
    await settled();
    await clock.advance(60);
    keeper.drainStdin(record.uid);
    await settled();
    await clock.advance(39);
    await settled();
    assert.equal(pipe().length, 16);
    await clock.advance(1);
    assert.equal(await written, 16n);
  });

  it("ends with its caller", async () => {
    const cancel = new AbortController();
    const written = write(0, "123456789", null, cancel.signal);
    await settled();
    cancel.abort(new Error("gone"));
    await assert.rejects(written, /gone/);
  });

  it("fails when the process ends meanwhile, is deleted, or has ended before", async () => {
    const { keeper, system } = fixture;
    const written = write(0, "123456789", null);
    await settled();
    keeper.end(record.uid, { kind: "code", code: 0 });
    await assert.rejects(written, { code: "process-ended" });
    await assert.rejects(write(8, "9"), { code: "process-ended" });
    await stdin.close(record);
    await settled();
    await system.processes.delete(
      { name: record.name, uid: record.uid },
      false,
      { principal: "uid:1", requestId: "" },
      NEVER,
    );
    await assert.rejects(write(8, "9"), { code: "process-ended" });
  });

  it("fails when the keeper has gone, also while it waits for room", async () => {
    const written = write(0, "123456789", null);
    await settled();
    fixture.keeper.disconnect();
    await assert.rejects(written, { code: "keeper-unreachable" });
    await assert.rejects(write(8, "9"), { code: "keeper-unreachable" });
    fixture.connect();
    assert.equal(await write(0, "12345678"), 8n, "the keeper has counted");
  });

  it("can be closed, and closed again, and takes nothing after that", async () => {
    await write(0, "12");
    await stdin.close(record);
    await stdin.close(record);
    assert.equal(fixture.keeper.slots.get(record.uid)?.stdinClosed, true);
    await assert.rejects(write(2, "3"), { code: "stdin-not-open", message: /is closed$/ });
  });

  it("is not there when nobody asked for it", async () => {
    record = await start(false);
    await assert.rejects(write(0, "1"), { code: "stdin-not-open", message: /without open_stdin/ });
    await assert.rejects(stdin.close(record), { code: "stdin-not-open" });
  });
});
