import { join } from "node:path";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { type KeeperClient, newId } from "./keeper-client.js";
import { waitUntil } from "./wait-until.js";
import { type Field, Flag, type Frame, Tag, text, Type, u32, u64 } from "./wire.js";

const PROGRAM = join(packageRoot, "test/native/support/fake-fork-server.py");
export const PYTHON = ["python3", "-S", "-E", PROGRAM] as const;

/** What a worker of fake-fork-server.py does, one thing after the other. */
export type Act = Readonly<Record<string, string | number | readonly number[]>>;

/** Specialised at once, then the rest. */
export const acts = (...then: readonly Act[]): readonly Act[] => [{ now: "S" }, ...then];

/** A specification as a memory file holds it: the length of the text, then the text. */
export function specification(content: object): Field {
  const json = Buffer.from(JSON.stringify(content));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return [Tag.data, Buffer.concat([length, json])];
}

/** Starts a program with a link that does `content.then`, or serves forks as `content.serve` says. */
export function spawnLinked(
  client: KeeperClient,
  content: object,
  more: readonly Field[] = [],
): Buffer {
  return client.spawn({
    argv: PYTHON,
    flags: Flag.link,
    more: [specification(content), ...more],
  });
}

/** A fork server that is ready, or, with "not", merely running. */
export async function startForkServer(
  client: KeeperClient,
  how = "well",
  more: readonly Field[] = [],
): Promise<{ readonly id: Buffer; readonly pid: number }> {
  const id = spawnLinked(client, { serve: how }, more);
  const { pid } = await born(client, id);
  if (how !== "not") await client.notice(Type.serving, id);
  return { id, pid };
}

export interface ForkOptions {
  readonly id?: Buffer;
  readonly flags?: number;
  readonly then?: readonly Act[];
  readonly more?: readonly Field[];
}

/** Orders a fork, of which nothing is known yet. */
export function fork(client: KeeperClient, server: Buffer, options: ForkOptions = {}): Buffer {
  const id = options.id ?? newId();
  client.send(Type.fork, [
    [Tag.id, id],
    [Tag.server, server],
    ...order(options),
    ...(options.more ?? []),
  ]);
  return id;
}

/** Lets a child go that was forked with HOLD. */
export function go(client: KeeperClient, id: Buffer, options: ForkOptions = {}): void {
  client.send(Type.go, [[Tag.id, id], ...order(options), ...(options.more ?? [])]);
}

function order({ flags = 0, then = acts({ exit: 0 }) }: ForkOptions): readonly Field[] {
  const common = [u32(Tag.flags, flags), u64(Tag.logMaxBytes, 0n)];
  return (flags & Flag.hold) === 0 ? [...common, specification({ then })] : common;
}

/** The SPAWNED or SPAWN_FAILED of an order, the newest if there are many. */
export function outcome(client: KeeperClient, id: Buffer, after = 0): Promise<Frame> {
  return waitUntil(
    "SPAWNED or SPAWN_FAILED",
    () =>
      client.frames
        .slice(after)
        .find(
          (f) =>
            (f.type === Type.spawned || f.type === Type.spawnFailed) && f.bytes(Tag.id).equals(id),
        ),
    20_000,
  );
}

export async function born(
  client: KeeperClient,
  id: Buffer,
): Promise<{ readonly id: Buffer; readonly pid: number; readonly frame: Frame }> {
  const frame = await outcome(client, id);
  if (frame.type === Type.spawned) return { id, pid: frame.u32(Tag.pid), frame };
  const message = frame.has(Tag.message) ? `: ${frame.text(Tag.message)}` : "";
  throw new Error(`step ${frame.u32(Tag.step)} errno ${frame.u32(Tag.errno)}${message}`);
}

/** The step and errno of what must fail. */
export async function failure(
  client: KeeperClient,
  id: Buffer,
): Promise<[step: number, errno: number]> {
  const frame = await client.notice(Type.spawnFailed, id, 20_000);
  return [frame.u32(Tag.step), frame.u32(Tag.errno)];
}

/** All six MOMENTS, in nanoseconds. */
export function moments(frame: Frame): readonly bigint[] {
  const bytes = frame.bytes(Tag.moments);
  return Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readBigUInt64LE(8 * i));
}

export const bitmap = (...cpus: readonly number[]): Field => {
  const bytes = Buffer.alloc(1 + Math.max(...cpus) / 8);
  for (const cpu of cpus) bytes[cpu >> 3] = (bytes[cpu >> 3] ?? 0) | (1 << (cpu & 7));
  return [Tag.cpus, bytes];
};

export const limit = (value: string): Field => text(Tag.limit, value);
