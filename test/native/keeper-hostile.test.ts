import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { connect } from "node:net";
import fc from "fast-check";
import { newId } from "./support/keeper-client.js";
import { build, KeeperProcess } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { encodeFrame, type Field, Tag, text, Type, u32, u64 } from "./support/wire.js";

const FUZZ_SECONDS = Number(process.env["FORKBUS_FUZZ_SECONDS"] ?? 10);

describe("the keeper among hostile bytes", function () {
  this.timeout(120_000 + FUZZ_SECONDS * 1000);

  it("decodes and dispatches mutated requests without a fault", async () => {
    const fuzz = spawn(build("fuzz"), [String(FUZZ_SECONDS)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    let code: number | null | undefined;
    for (const stream of [fuzz.stdout, fuzz.stderr]) {
      stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
    }
    fuzz.on("close", (status) => (code = status));
    await waitUntil("the fuzzer", () => code !== undefined, 60_000 + FUZZ_SECONDS * 1000);
    assert.equal(code, 0, said);
    assert.ok(Number(/(\d+) requests/.exec(said)?.[1]) > 1000, said);
  });

  it("survives, under sanitizers, whatever comes over its socket", async () => {
    await using keeper = await KeeperProcess.start({ program: build("asan") });
    const id = newId();
    const field = fc.oneof(
      fc.constant<Field>([Tag.id, id]),
      fc.constant<Field>(text(Tag.path, "/bin/true")),
      fc.constant<Field>(text(Tag.cwd, "/")),
      fc.constantFrom<Field>(u32(Tag.flags, 0), u32(Tag.flags, 31), u64(Tag.logMaxBytes, 1n)),
      fc.tuple(fc.integer({ min: 0, max: 45 }), fc.uint8Array({ maxLength: 24 })).map(
        // Never a user or a pid: this keeper may be root's, and what it starts is /bin/true.
        ([tag, bytes]): Field => [
          tag === Tag.path || tag === Tag.pid || tag === Tag.uid || tag === Tag.gid ? 60 : tag,
          Buffer.from(bytes),
        ],
      ),
    );
    const type = fc.oneof(
      fc.constantFrom<number>(Type.spawn, Type.signal, Type.ackExit, Type.writeStdin, Type.list),
      fc.constantFrom<number>(
        Type.scanLogs,
        Type.remove,
        Type.adopt,
        Type.upgrade,
        Type.hello,
        0,
        64,
        999,
      ),
    );
    const frame = fc
      .tuple(type, fc.array(field, { maxLength: 8 }))
      .map(([kind, fields]) => encodeFrame(kind, 7, fields));
    const damaged = fc
      .tuple(frame, fc.nat(), fc.integer({ min: 0, max: 255 }))
      .map(([bytes, at, value]) => {
        // Only the lengths and the head: a damaged path or pid could be a real one.
        const place = at % 12;
        if (place !== 4 || value !== Type.shutdown) bytes[place] = value;
        return bytes;
      });
    const hello = encodeFrame(Type.hello, 1, [u32(Tag.versionMin, 1), u32(Tag.versionMax, 1)]);
    const conversation = fc.array(
      fc.oneof({ weight: 4, arbitrary: frame }, { weight: 1, arbitrary: damaged }),
      {
        maxLength: 12,
      },
    );
    await fc.assert(
      fc.asyncProperty(conversation, fc.boolean(), async (frames, greets) => {
        const socket = connect(keeper.socketPath);
        let closed = false;
        socket.on("close", () => (closed = true)).on("error", () => undefined);
        socket.on("data", () => undefined);
        for (const bytes of [...(greets ? [hello] : []), ...frames]) socket.write(bytes);
        socket.end();
        await waitUntil("the end of the connection", () => closed);
      }),
      { numRuns: 300 },
    );
    using client = await keeper.connect();
    const { id: alive } = await client.spawned({ argv: ["/bin/sh", "-c", "exit 9"] });
    assert.equal((await client.exited(alive)).u32(Tag.exitValue), 9);
    keeper.child.kill("SIGTERM");
    keeper.child.kill("SIGINT");
    assert.equal(await keeper.exit(), 0, keeper.stderr);
    assert.doesNotMatch(keeper.stderr, /ERROR|runtime error/);
  });

  it("does its whole work under sanitizers", async () => {
    await using keeper = await KeeperProcess.start({ program: build("asan") });
    using client = await keeper.connect();
    const cat = await client.spawned({ argv: ["/bin/cat"], flags: 1 });
    const tree = await client.spawned({ argv: ["/bin/sh", "-c", "(setsid sleep 60 &); sleep 60"] });
    await client.writeStdin(cat.id, 0n, "x");
    await client.ask(Type.upgrade, [text(Tag.path, build("asan"))]);
    await client.writeStdin(cat.id, 1n, "y", true);
    await client.exited(cat.id);
    assert.equal(keeper.log(cat.id), "xy");
    await client.signal(tree.id, 9, 1);
    await client.exited(tree.id);
    assert.deepEqual(await client.refused({ argv: ["/nonexistent"] }), [11, 2]);
    for (const { id } of [cat, tree]) {
      await client.acknowledge(id);
      await client.ask(Type.remove, [[Tag.id, id]]);
    }
    keeper.child.kill("SIGTERM");
    assert.equal(await keeper.exit(), 0, keeper.stderr);
    assert.doesNotMatch(keeper.stderr, /ERROR|runtime error/);
  });
});
