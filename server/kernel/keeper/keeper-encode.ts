import { type AdoptionTerms, type SpawnOrder } from "../../processes/keeper.js";
import { type LogOffset, type LogStreamName } from "../../processes/output.js";
import { rlimitNumber } from "../../processes/rlimits.js";
import { field } from "./keeper-fields.js";
import { type Field, Tag } from "./keeper-frame.js";

const STDIN_PIPE = 1;
const MERGE_STDERR = 2;
const STDOUT_NULL = 4;
const STDERR_NULL = 8;
const WAIT_TREE = 16;
const UNLIMITED = 2n ** 64n - 1n;

export function spawnFields(order: SpawnOrder): readonly Field[] {
  const flags =
    (order.openStdin ? STDIN_PIPE : 0) |
    (order.mergeStderr ? MERGE_STDERR : 0) |
    (order.stdout === "null" ? STDOUT_NULL : 0) |
    (order.stderr === "null" ? STDERR_NULL : 0) |
    treeFlag(order);
  return [
    field.uid(Tag.id, order.uid),
    field.text(Tag.path, order.path),
    ...order.argv.map((arg) => field.text(Tag.arg, arg)),
    ...Object.entries(order.env).map(([name, value]) => field.text(Tag.env, `${name}=${value}`)),
    field.text(Tag.cwd, order.workingDir),
    field.u32(Tag.umask, order.umask),
    field.u32(Tag.flags, flags),
    field.u64(Tag.logMaxBytes, BigInt(order.logMaxBytes)),
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
