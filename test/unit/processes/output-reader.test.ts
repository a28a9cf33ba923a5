import assert from "node:assert/strict";
import type { LogEvent, LogOffset, OutputFile } from "../../../server/processes/output.js";
import { type LogStart, OutputReader } from "../../../server/processes/output-reader.js";
import type { LogExtent } from "../../../server/processes/process-state.js";
import { ProcessTable } from "../../../server/processes/process-table.js";
import { exitReport } from "../../support/fake-keeper.js";
import { ManualClock } from "../../support/manual-clock.js";
import { recordOf, settled, uidOf, WORKER } from "./fixture.js";

/** A file whose front retention takes, and that somebody truncates. */
class FakeOutputFile implements OutputFile {
  text = "";
  epoch = 0;
  begin = 0;
  /** Called once, after the next read and before the look at what it was worth. */
  afterRead: () => void = () => undefined;
  readonly watchers = new Set<() => void>();

  write(text: string): void {
    this.text += text;
    for (const watcher of this.watchers) watcher();
  }

  punch(begin: number): void {
    this.begin = begin;
    this.text = "\0".repeat(begin) + this.text.slice(begin);
  }

  truncate(): void {
    this.epoch++;
    this.begin = 0;
    this.text = "";
  }

  extent(): Promise<LogExtent> {
    return Promise.resolve({ epoch: this.epoch, begin: this.begin, end: this.text.length });
  }

  read(buffer: Uint8Array, offset: number): Promise<number> {
    const bytes = Buffer.from(this.text.slice(offset, offset + buffer.length));
    buffer.set(bytes);
    const { afterRead } = this;
    this.afterRead = () => undefined;
    afterRead();
    return Promise.resolve(bytes.length);
  }

  watch(onChange: () => void): Disposable {
    this.watchers.add(onChange);
    return { [Symbol.dispose]: () => this.watchers.delete(onChange) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

const UID = uidOf(1);
const NEVER = new AbortController().signal;
const running = recordOf({ kind: "running", worker: WORKER, signal: null });
const report = exitReport({ kind: "code", code: 0 });
const ended = recordOf({
  kind: "exited",
  worker: WORKER,
  exit: { ...report, cause: "self", requester: null, escalated: false },
  descendantsAlive: false,
});

describe("the output reader", () => {
  const scans: string[] = [];
  let file: FakeOutputFile;
  let table: ProcessTable;

  beforeEach(() => {
    file = new FakeOutputFile();
    table = new ProcessTable({ revision: 0, created: 0 });
    table.put(running);
    scans.length = 0;
  });

  function reader(): OutputReader {
    const keeper = {
      scanLogs: (uid: string) => {
        scans.push(uid);
        return Promise.resolve(true);
      },
    };
    const parts = { table, keeper, clock: new ManualClock() };
    return new OutputReader(parts, UID, "stdout", file);
  }

  async function read(start: LogStart = { kind: "beginning" }, follow = false): Promise<string[]> {
    const seen: string[] = [];
    for await (const event of reader().read(start, follow, NEVER)) seen.push(shown(event));
    return seen;
  }

  it("reads what is there, and says where it ends", async () => {
    file.write("one\ntwo\n");
    assert.deepEqual(await read(), ["0:0 one\ntwo\n", "end 0:8"]);
    const position: LogOffset = { epoch: 0, offset: 4 };
    assert.deepEqual(await read({ kind: "position", position }), ["0:4 two\n", "end 0:8"]);
  });

  it("finds the last lines", async () => {
    file.write("one\ntwo\nthree");
    for (const [lines, text] of [
      [1, "0:8 three"],
      [2, "0:4 two\nthree"],
      [9, "0:0 one\ntwo\nthree"],
    ] as const) {
      assert.deepEqual(await read({ kind: "last-lines", lines }), [text, "end 0:13"]);
    }
    assert.deepEqual(await read({ kind: "last-lines", lines: 0 }), ["end 0:13"]);
  });

  it("has a gap for what retention took, also between reading and looking", async () => {
    file.write("0123456789");
    file.punch(4);
    const position: LogOffset = { epoch: 0, offset: 1 };
    assert.deepEqual(await read({ kind: "position", position }), [
      "gap retention 0:1 to 0:4",
      "0:4 456789",
      "end 0:10",
    ]);
    file.afterRead = () => {
      file.punch(6);
    };
    assert.deepEqual(await read(), ["gap retention 0:4 to 0:6", "0:6 6789", "end 0:10"]);
  });

  it("begins a new epoch when the file is truncated", async () => {
    file.write("old");
    file.truncate();
    file.write("new");
    const position: LogOffset = { epoch: 0, offset: 2 };
    assert.deepEqual(await read({ kind: "position", position }), [
      "gap truncated 0:2 to 1:0",
      "1:0 new",
      "end 1:3",
    ]);
  });

  it("refuses a position after the end", async () => {
    file.write("abc");
    for (const position of [
      { epoch: 0, offset: 4 },
      { epoch: 1, offset: 0 },
    ]) {
      await assert.rejects(read({ kind: "position", position }), { code: "offset-future" });
    }
  });

  it("follows until the tree has ended, and then lets go of everything", async () => {
    file.write("a");
    const reading = read({ kind: "beginning" }, true);
    await settled();
    file.write("b");
    await settled();
    file.truncate();
    file.write("c");
    await settled();
    file.write("last");
    table.put(ended);
    assert.deepEqual(await reading, [
      "0:0 a",
      "0:1 b",
      "gap truncated 0:2 to 1:0",
      "1:0 c",
      "1:1 last",
      "end 1:5",
    ]);
    assert.equal(file.watchers.size, 0);
  });

  it("stops following when it is told to", async () => {
    const stop = new AbortController();
    const following = reader().read({ kind: "beginning" }, true, stop.signal);
    const next = following[Symbol.asyncIterator]().next();
    await settled();
    stop.abort(new Error("enough"));
    await assert.rejects(next, /enough/);
    assert.equal(file.watchers.size, 0);
  });

  it("asks the keeper when the file is shorter than it was, and goes on where it ends", async () => {
    file.write("0123456789");
    file.punch(8);
    file.text = "";
    assert.deepEqual(await read(), ["gap truncated 0:8 to 0:0", "end 0:0"]);
    assert.ok(scans.length > 0);
    table.put(ended);
    assert.deepEqual(await read({ kind: "beginning" }, true), [
      "gap truncated 0:8 to 0:0",
      "end 0:0",
    ]);
  });
});

function shown(event: LogEvent): string {
  const at = ({ epoch, offset }: LogOffset): string => `${epoch}:${offset}`;
  switch (event.kind) {
    case "chunk":
      return `${at(event.position)} ${Buffer.from(event.data).toString()}`;
    case "gap":
      return `gap ${event.reason} ${at(event.from)} to ${at(event.to)}`;
    case "end":
      return `end ${at(event.position)}`;
  }
}
