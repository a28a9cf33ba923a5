import {
  type AdoptionTerms,
  type ForkOrder,
  type GoOrder,
  type SpawnOrder,
  type WorkerFiles,
} from "../../processes/keeper.js";
import { type ProcessUid } from "../../core/ids.js";
import { type LogOffset, type LogStreamName } from "../../processes/output.js";
import { rlimitNumber } from "../../processes/rlimits.js";
import { field } from "./keeper-fields.js";
import { type Field, Tag } from "./keeper-frame.js";

const STDIN_PIPE = 1;
const MERGE_STDERR = 2;
const STDOUT_NULL = 4;
const STDERR_NULL = 8;
const WAIT_TREE = 16;
const LINK = 32;
const HOLD = 64;
const UNLIMITED = 2n ** 64n - 1n;

export function spawnFields(order: SpawnOrder): readonly Field[] {
  return programFields(order, order.specification === null ? 0 : LINK);
}

export function spawnHeldFields(order: SpawnOrder): readonly Field[] {
  return programFields(order, LINK | HOLD);
}

function programFields(order: SpawnOrder, more: number): readonly Field[] {
  return [
    ...fileFields(order, more),
    ...(order.specification === null ? [] : [field.bytes(Tag.data, order.specification)]),
    field.text(Tag.path, order.path),
    ...order.argv.map((arg) => field.text(Tag.arg, arg)),
    ...Object.entries(order.env).map(([name, value]) => field.text(Tag.env, `${name}=${value}`)),
    field.text(Tag.cwd, order.workingDir),
    field.u32(Tag.umask, order.umask),
    ...(order.cpus === null ? [] : [field.cpus(Tag.cpus, order.cpus)]),
    ...(order.user === null
      ? []
      : [field.u32(Tag.uid, order.user.uid), field.u32(Tag.gid, order.user.gid)]),
    ...order.rlimits.map(({ resource, soft, hard }) => {
      const bytes = Buffer.alloc(20);
      bytes.writeUInt32LE(rlimitNumber(resource) ?? 0, 0);
      bytes.writeBigUInt64LE(soft ?? UNLIMITED, 4);
      bytes.writeBigUInt64LE(hard ?? UNLIMITED, 12);
      return field.bytes(Tag.rlimit, bytes);
    }),
  ];
}

export function forkFields(order: ForkOrder): readonly Field[] {
  return [
    ...fileFields(order, 0),
    field.uid(Tag.server, order.server),
    field.bytes(Tag.data, order.specification),
  ];
}

export function holdFields(uid: ProcessUid, server: ProcessUid): readonly Field[] {
  return [field.uid(Tag.id, uid), field.uid(Tag.server, server), field.u32(Tag.flags, HOLD)];
}

export function goFields(order: GoOrder): readonly Field[] {
  return [
    ...fileFields(order, 0),
    ...(order.cpus === null ? [] : [field.cpus(Tag.cpus, order.cpus)]),
    field.bytes(Tag.data, order.specification),
  ];
}

function fileFields(files: WorkerFiles, more: number): readonly Field[] {
  const flags =
    (files.openStdin ? STDIN_PIPE : 0) |
    (files.mergeStderr ? MERGE_STDERR : 0) |
    (files.stdout === "null" ? STDOUT_NULL : 0) |
    (files.stderr === "null" ? STDERR_NULL : 0) |
    treeFlag(files) |
    more;
  return [
    field.uid(Tag.id, files.uid),
    field.u32(Tag.flags, flags),
    field.u64(Tag.logMaxBytes, BigInt(files.logMaxBytes)),
    ...files.limits.map((limit) => field.text(Tag.limit, limit)),
  ];
}

export function adoptionFields(terms: AdoptionTerms): readonly Field[] {
  return [
    field.u32(Tag.flags, treeFlag(terms)),
    field.u64(Tag.logMaxBytes, BigInt(terms.logMaxBytes)),
  ];
}

/** How far a reader of the stream has come. */
export function seenField(stream: LogStreamName, { epoch, offset }: LogOffset): Field {
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64LE(BigInt(epoch), 0);
  bytes.writeBigUInt64LE(BigInt(offset), 16);
  return field.bytes(stream === "stdout" ? Tag.stdoutPosition : Tag.stderrPosition, bytes);
}

function treeFlag({ onExit }: AdoptionTerms): number {
  return onExit === "wait-tree" ? WAIT_TREE : 0;
}
