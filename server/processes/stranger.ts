import { type KeptWorker } from "./keeper.js";
import { type ProcessRecord } from "./process-record.js";
import { DEFAULT_LOG_MAX_BYTES, DEFAULT_STOP, type ProcessSpec } from "./process-spec.js";
import { type KeeperIdentity } from "./process-state.js";
import { NO_LIMITS } from "./tree-limits.js";

/** A worker whose record was damaged is not killed for it: it gets a new one that says so. */
export const RECOVERED_LABEL = "forkbus/recovered";

export function strangerRecord(
  { uid, worker }: KeptWorker,
  name: string,
  keeper: KeeperIdentity,
  nowMs: number,
): ProcessRecord {
  // What it asked for is not known: it stays where it is.
  const placement = worker === null || worker.cpus.length === 0 ? null : worker.cpus;
  return {
    uid,
    name,
    named: false,
    owner: "forkbus",
    labels: { [RECOVERED_LABEL]: "true" },
    spec: {
      ...UNKNOWN_SPEC,
      cpus: placement === null ? { kind: "none" } : { kind: "explicit", cpus: placement },
    },
    requestId: null,
    createTimeMs: worker?.startTimeMs ?? nowMs,
    revision: 0,
    placement,
    birth: UNKNOWN_BIRTH,
    servesForks: false,
    state:
      worker === null
        ? { kind: "starting", stop: null, keeper }
        : { kind: "running", worker, signal: null },
  };
}

const UNKNOWN_BIRTH = {
  method: "spawn",
  generation: 0,
  warm: false,
  timings: null,
  unenforced: [],
} as const;

const UNKNOWN_SPEC: ProcessSpec = {
  target: { kind: "exec", path: "unknown", argv: ["unknown"] },
  env: {},
  workingDir: "/",
  runAs: null,
  umask: 0o022,
  openStdin: false,
  logMaxBytes: DEFAULT_LOG_MAX_BYTES,
  cpus: { kind: "none" },
  rlimits: [],
  treeLimits: NO_LIMITS,
  stop: DEFAULT_STOP,
  onExit: "kill-tree",
  stdout: "file",
  stderr: "file",
  mergeStderr: false,
};
