import { DomainError } from "../../core/errors.js";
import { type ProcessUid } from "../../core/ids.js";
import {
  type EndReport,
  type KeptWorker,
  type SpawnFailure,
  type SpawnStep,
} from "../../processes/keeper.js";
import {
  type Exit,
  type ExitOutcome,
  type KeeperIdentity,
  type LogExtent,
  type ResourceUsage,
  type Worker,
} from "../../processes/process-state.js";
import { type Moments } from "../../processes/start-timings.js";
import { type Controller } from "../../processes/tree-limits.js";
import { errnoName } from "./errno.js";
import { Fields } from "./keeper-fields.js";
import { type Frame, Tag } from "./keeper-frame.js";

/** What a keeper says of itself when a daemon connects. */
export interface KeeperWelcome {
  readonly identity: KeeperIdentity;
  readonly version: string;
  readonly pid: number;
  readonly features: KeeperFeatures;
  readonly maxWorkers: number;
  /** Holds one directory of output per worker, named by its uid. */
  readonly directory: string;
  /** Where the leaves are; null without delegation. */
  readonly cgroup: string | null;
}

export interface KeeperFeatures {
  readonly cgroupLeaves: boolean;
  readonly cgroupKill: boolean;
  readonly cloneIntoCgroup: boolean;
  readonly punchHole: boolean;
  readonly pidfdInfoExit: boolean;
  readonly runAsOthers: boolean;
  /** Those that leaves can limit their trees by. */
  readonly controllers: readonly Controller[];
}

const STEPS: readonly SpawnStep[] = [
  "request",
  "directory",
  "files",
  "cgroup",
  "clone",
  "session",
  "rlimit",
  "affinity",
  "user",
  "cwd",
  "exec",
  "birth",
  "fork",
  "specification",
  "limits",
];

const SOURCES: readonly Exit["source"][] = ["waitid", "pidfd-info", "proc-stat"];

export function decodeWelcome(frame: Frame): KeeperWelcome {
  const fields = new Fields(frame);
  const bits = fields.u32(Tag.features);
  return {
    identity: {
      instance: fields.hex(Tag.instance),
      bootId: fields.text(Tag.bootId),
      pidNamespace: fields.u64(Tag.pidNamespace),
    },
    version: fields.text(Tag.keeperVersion),
    pid: fields.u32(Tag.pid),
    features: {
      cgroupLeaves: (bits & 1) !== 0,
      cgroupKill: (bits & 2) !== 0,
      cloneIntoCgroup: (bits & 4) !== 0,
      punchHole: (bits & 8) !== 0,
      pidfdInfoExit: (bits & 16) !== 0,
      runAsOthers: (bits & 32) !== 0,
      controllers: CONTROLLERS.filter((_, index) => (bits & (64 << index)) !== 0),
    },
    maxWorkers: fields.u32(Tag.maxWorkers),
    directory: fields.text(Tag.directory),
    cgroup: fields.has(Tag.cgroup) ? fields.text(Tag.cgroup) : null,
  };
}

export function decodeWorker(frame: Frame, keeper: KeeperIdentity): Worker {
  const fields = new Fields(frame);
  return {
    keeper,
    pid: fields.u32(Tag.pid),
    startTicks: fields.u64(Tag.startTicks),
    startTimeMs: wallMs(fields.u64(Tag.startTimeNs)),
    cpus: fields.has(Tag.cpus) ? fields.cpus(Tag.cpus) : [],
    cgroup: fields.has(Tag.cgroup) ? fields.text(Tag.cgroup) : null,
  };
}

const CONTROLLERS: readonly Controller[] = ["memory", "pids", "cpu"];

const STARTING = 1;
const EXITED = 3;
const HELD = 4;
/** On its way to be. */
const TO_BE_HELD = 5;

export function decodeKeptWorker(frame: Frame, keeper: KeeperIdentity): KeptWorker {
  const fields = new Fields(frame);
  const state = fields.u32(Tag.state);
  return {
    uid: fields.uid(Tag.id),
    worker: state === STARTING || state === TO_BE_HELD ? null : decodeWorker(frame, keeper),
    end: state === EXITED ? decodeEnd(frame) : null,
    held: state === HELD || state === TO_BE_HELD,
    servesForks: fields.has(Tag.serving) && fields.u32(Tag.serving) === 1,
  };
}

export function decodeEnd(frame: Frame): EndReport {
  const fields = new Fields(frame);
  const outcome = decodeOutcome(fields);
  const descendantsAlive = fields.u32(Tag.tree) === 1;
  if (outcome === null) return { report: null, descendantsAlive };
  const usage = fields.has(Tag.usage) ? decodeUsage(fields) : null;
  return {
    report: {
      outcome,
      source: decodeSource(fields),
      usage,
      endTimeMs: wallMs(fields.u64(Tag.endTimeNs)),
      output: {
        stdout: decodeExtent(fields, Tag.stdoutPosition),
        stderr: decodeExtent(fields, Tag.stderrPosition),
      },
    },
    descendantsAlive,
  };
}

export function decodeSpawnFailure(frame: Frame): SpawnFailure {
  const fields = new Fields(frame);
  const step = STEPS[fields.u32(Tag.step) - 1];
  if (step === undefined) throw new Error("The keeper failed in a step that is unknown");
  return {
    step,
    errno: errnoName(fields.u32(Tag.errno)),
    message: fields.has(Tag.message) ? fields.text(Tag.message) : "",
  };
}

export function decodeServing(frame: Frame): boolean {
  return new Fields(frame).u32(Tag.serving) === 1;
}

export function decodeMoments(frame: Frame): Moments {
  const [ordered = 0n, asked = 0n, forked = 0n, gone = 0n, specialised = 0n, called = 0n] =
    new Fields(frame).u64s(Tag.moments, 6);
  return { ordered, asked, forked, gone, specialised, called };
}

export function decodeUid(frame: Frame): ProcessUid {
  return new Fields(frame).uid(Tag.id);
}

/** An ERROR reply that its caller did not expect. */
export function unexpectedError(frame: Frame, request: string): Error {
  const fields = new Fields(frame);
  const errno = errnoName(fields.u32(Tag.errno));
  const message = fields.has(Tag.message) ? `: ${fields.text(Tag.message)}` : "";
  if (errno === "ESHUTDOWN") return new DomainError("draining", "The keeper is stopping");
  return new Error(`The keeper answers ${request} with ${errno}${message}`);
}

export function errnoOf(frame: Frame): string {
  return errnoName(new Fields(frame).u32(Tag.errno));
}

function decodeOutcome(fields: Fields): ExitOutcome | null {
  const value = fields.u32(Tag.exitValue);
  switch (fields.u32(Tag.exitCodeKind)) {
    case 1:
      return { kind: "code", code: value };
    case 2:
      return { kind: "signal", number: value, coreDumped: false };
    case 3:
      return { kind: "signal", number: value, coreDumped: true };
    default:
      return null;
  }
}

function decodeSource(fields: Fields): Exit["source"] {
  // A keeper of an earlier release does not say; only its waitid(2) told the usage.
  if (!fields.has(Tag.exitSource)) return fields.has(Tag.usage) ? "waitid" : "pidfd-info";
  const source = SOURCES[fields.u32(Tag.exitSource) - 1];
  if (source === undefined)
    throw new Error("The keeper knows an exit from a source that is unknown");
  return source;
}

function decodeUsage(fields: Fields): ResourceUsage {
  const [userUs, systemUs, maxRssBytes, minorFaults, majorFaults, voluntary, involuntary] =
    fields.u64s(Tag.usage, 7);
  return {
    userUs: userUs ?? 0n,
    systemUs: systemUs ?? 0n,
    maxRssBytes: maxRssBytes ?? 0n,
    minorFaults: minorFaults ?? 0n,
    majorFaults: majorFaults ?? 0n,
    voluntarySwitches: voluntary ?? 0n,
    involuntarySwitches: involuntary ?? 0n,
  };
}

function decodeExtent(
  fields: Fields,
  tag: typeof Tag.stdoutPosition | typeof Tag.stderrPosition,
): LogExtent {
  const [epoch, begin, end] = fields.u64s(tag, 3);
  return { epoch: Number(epoch ?? 0n), begin: Number(begin ?? 0n), end: Number(end ?? 0n) };
}

/** Nanoseconds to milliseconds with three decimals, which a double holds exactly enough. */
function wallMs(ns: bigint): number {
  return Number(ns / 1000n) / 1000;
}
