import { z } from "zod";
import { parseProcessUid } from "../core/ids.js";
import { NO_LIMITS } from "../processes/tree-limits.js";

/**
 * Kept values as JSON. A record that an older daemon wrote must stay readable: a field that is added
 * later gets a default here.
 */
export function encodeValue(value: unknown): Uint8Array {
  const text = JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "bigint" ? part.toString() : part,
  );
  return new TextEncoder().encode(text);
}

/** Throws when the bytes are no such value. */
export function decodeValue<Schema extends z.ZodType>(
  schema: Schema,
  bytes: Uint8Array,
): z.output<Schema> {
  return schema.parse(JSON.parse(new TextDecoder().decode(bytes)));
}

/** JSON has no bigint. */
const bigint = z.string().transform((text, context) => {
  if (/^\d{1,20}$/.test(text)) return BigInt(text);
  context.addIssue(`No number: ${text.slice(0, 20)}`);
  return z.NEVER;
});

const uid = z.string().transform((text, context) => {
  const parsed = parseProcessUid(text);
  if (parsed !== undefined) return parsed;
  context.addIssue(`No uid: ${text.slice(0, 40)}`);
  return z.NEVER;
});

const texts = z.record(z.string(), z.string());
const cpuSet = z.array(z.number());

const cpuRequest = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("shared"), count: z.number() }),
  z.object({
    kind: z.literal("exclusive"),
    count: z.number(),
    layout: z.enum(["compact", "spread", "full-core"]),
    maxWaitMs: z.number(),
  }),
  z.object({ kind: z.literal("explicit"), cpus: cpuSet }),
  z.object({ kind: z.literal("none") }),
]);

const stdioMode = z.enum(["file", "null"]);

const payload = z.object({ encoding: z.string(), bytes: z.number(), digest: z.string() });

const origin = z.discriminatedUnion("method", [
  z.object({ method: z.enum(["spawn", "forkserver"]), template: z.string() }),
  z.object({ method: z.literal("fork"), process: z.string() }),
]);

const functionTarget = {
  origin,
  function: z.string(),
  arguments: payload,
  resultEncoding: z.string(),
  modulePath: z.array(z.string()),
  mainFile: z.string().nullable(),
};

const target = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("exec"), path: z.string(), argv: z.array(z.string()) }),
  z.object({ kind: z.literal("python"), ...functionTarget }),
  z.object({ kind: z.literal("node"), ...functionTarget }),
]);

const limit = z.number().nullable();

const treeLimits = z.object({
  memoryMaxBytes: limit,
  memoryHighBytes: limit,
  pidsMax: limit,
  cpuWeight: limit,
  cpuMaxMilli: limit,
  bestEffort: z.boolean(),
});

/** Until there were functions, a spec held the program itself. */
function programAsTarget(value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("path" in value)) return value;
  const { path, ...rest } = value;
  const argv = "argv" in value ? value.argv : [];
  return { target: { kind: "exec", path, argv }, ...rest };
}

const specFields = z.object({
  target,
  env: texts,
  workingDir: z.string().nullable(),
  runAs: z.string().nullable(),
  umask: z.number(),
  openStdin: z.boolean(),
  logMaxBytes: z.number(),
  cpus: cpuRequest,
  rlimits: z.array(
    z.object({ resource: z.string(), soft: bigint.nullable(), hard: bigint.nullable() }),
  ),
  treeLimits: treeLimits.default(NO_LIMITS),
  stop: z.object({ signal: z.number(), graceMs: z.number() }),
  onExit: z.enum(["kill-tree", "wait-tree"]),
  stdout: stdioMode,
  stderr: stdioMode,
  mergeStderr: z.boolean(),
});

const spec = z.preprocess(programAsTarget, specFields);

const timings = z.object({
  admissionUs: z.number(),
  pendingUs: z.number(),
  hopUs: z.number(),
  forkUs: z.number(),
  specialiseUs: z.number(),
  firstLineUs: z.number(),
  totalUs: z.number(),
});

const birth = z.object({
  method: z.enum(["spawn", "forkserver", "fork"]),
  generation: z.number(),
  warm: z.boolean(),
  timings: timings.nullable(),
  unenforced: z.array(z.string()),
});

const keeper = z.object({ instance: z.string(), bootId: z.string(), pidNamespace: bigint });

const worker = z.object({
  keeper,
  pid: z.number(),
  startTicks: bigint,
  startTimeMs: z.number(),
  cpus: cpuSet,
  cgroup: z.string().nullable(),
});

const requester = z.object({ principal: z.string(), requestId: z.string() });

const stop = requester.extend({
  signal: z.number(),
  deadlineMs: z.number(),
  escalated: z.boolean(),
});

const usage = z.object({
  userUs: bigint,
  systemUs: bigint,
  maxRssBytes: bigint,
  minorFaults: bigint,
  majorFaults: bigint,
  voluntarySwitches: bigint,
  involuntarySwitches: bigint,
});

const extent = z.object({ epoch: z.number(), begin: z.number(), end: z.number() });

const exit = z.object({
  outcome: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("code"), code: z.number() }),
    z.object({ kind: z.literal("signal"), number: z.number(), coreDumped: z.boolean() }),
  ]),
  source: z.enum(["waitid", "pidfd-info", "proc-stat"]),
  cause: z.enum(["unknown", "self", "signal-requested", "stop-requested"]),
  requester: requester.nullable(),
  escalated: z.boolean(),
  usage: usage.nullable(),
  endTimeMs: z.number(),
  output: z.object({ stdout: extent, stderr: extent }),
});

const loss = z.object({
  reason: z.enum(["reboot", "keeper-died", "namespace-gone", "record-damaged"]),
  message: z.string(),
  endTimeMs: z.number(),
});

const state = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("starting"), stop: stop.nullable(), keeper }),
  z.object({
    kind: z.literal("running"),
    worker,
    signal: requester.extend({ signal: z.number() }).nullable(),
  }),
  z.object({ kind: z.literal("stopping"), worker, stop }),
  z.object({ kind: z.literal("exited"), worker, exit, descendantsAlive: z.boolean() }),
  z.object({ kind: z.literal("lost"), worker: worker.nullable(), loss }),
]);

export const recordSchema = z.object({
  uid,
  name: z.string(),
  named: z.boolean(),
  owner: z.string(),
  labels: texts,
  spec,
  requestId: z.string().nullable(),
  createTimeMs: z.number(),
  revision: z.number(),
  placement: cpuSet.nullable(),
  birth: birth.default({
    method: "spawn",
    generation: 0,
    warm: false,
    timings: null,
    unenforced: [],
  }),
  servesForks: z.boolean().default(false),
  state,
});

export const countersSchema = z.object({ revision: z.number(), created: z.number() });

export const expiredSchema = z.object({ revision: z.number() });
