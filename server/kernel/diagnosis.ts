import { readFile, statfs } from "node:fs/promises";
import { release } from "node:os";
import { type Check } from "../observability/server-report.js";
import { type KeeperWelcome } from "./keeper/keeper-decode.js";
import { treeLimitsCheck } from "./tree-limits-check.js";

const OLDEST_KERNEL = [5, 10] as const;
const MANY_DESCRIPTORS = 16_384;

export interface DiagnosisSubject {
  readonly stateDir: string;
  readonly reserveBytes: number;
  /** Of the keeper that is connected; null when there is none. */
  readonly keeper: KeeperWelcome | null;
  readonly templates: readonly TemplateFinding[];
}

/** What there is to say of a template. */
export interface TemplateFinding {
  readonly name: string;
  readonly state: "idle" | "starting" | "ready" | "failed";
  /** Why it is failed, or why its processes are spawned; empty when all is well. */
  readonly why: string;
}

/** Looks at the host as forkbus needs it. Every finding says what it costs and how to mend it. */
export async function diagnose(subject: DiagnosisSubject): Promise<readonly Check[]> {
  const { keeper } = subject;
  if (keeper === null) return [kernelVersion(release()), keeperMissing, await disk(subject)];
  return [
    kernelVersion(release()),
    ok("keeper", `The keeper is process ${keeper.pid}, version ${keeper.version}`),
    await survival(keeper),
    cgroupLeaves(keeper),
    cgroupKill(keeper),
    treeLimitsCheck(keeper, {
      keeperGroup: await textOf(`/proc/${keeper.pid}/cgroup`),
      hierarchies: await textOf("/proc/cgroups"),
    }),
    ...subject.templates.map(forkServer),
    feature(
      keeper.features.punchHole,
      "logs.punch_hole",
      "Old output gives its space back while a worker runs",
      "The file system of the state directory cannot punch holes: output of a running worker grows without bound",
      "Use --state-dir on ext4, XFS, Btrfs or tmpfs",
    ),
    feature(
      keeper.features.pidfdInfoExit,
      "kernel.pidfd_info",
      "Exit statuses survive even the death of the keeper",
      "The kernel keeps no exit status for others than the parent: when the keeper dies, its workers live on, and how they end is LOST",
      "Linux 6.15 or newer",
    ),
    feature(
      keeper.features.runAsOthers,
      "keeper.run_as",
      "Workers may run as the users of the keeper's policy file",
      "Workers run as the keeper's own user only",
      "Run the keeper as root with a policy file (--keeper-policy)",
    ),
    await descriptors(keeper),
    await disk(subject),
  ];
}

/** Such as `6.1.0-13-amd64`. */
export function kernelVersion(text: string): Check {
  const [major = 0, minor = 0] = text.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_KERNEL;
  const recent = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
  if (recent) return ok("kernel.version", `Linux ${text}`);
  return {
    name: "kernel.version",
    outcome: "failed",
    message: `Linux ${text} is older than ${oldestMajor}.${oldestMinor}`,
    consequence: "Workers cannot be watched through pidfds",
    remedy: "Use a newer kernel",
  };
}

const keeperMissing: Check = {
  name: "keeper",
  outcome: "failed",
  message: "The keeper does not answer",
  consequence: "No worker can be started, signalled or waited for; those that run live on",
  remedy: "See keeper.log in the state directory, or the journal of the keeper's unit",
};

/** A keeper in the daemon's own cgroup is stopped with it by systemd or a container engine. */
async function survival(keeper: KeeperWelcome): Promise<Check> {
  const [own, other, init] = await Promise.all([
    textOf("/proc/self/cgroup"),
    textOf(`/proc/${keeper.pid}/cgroup`),
    textOf("/proc/1/comm"),
  ]);
  const path = /^0::(.*)$/m.exec(own)?.[1] ?? "/";
  const isService = path.endsWith(".service") && path === /^0::(.*)$/m.exec(other)?.[1];
  if (isService && init.trim() === "systemd") {
    return {
      name: "restart.survival",
      outcome: "warning",
      message: `Daemon and keeper share the unit ${path}`,
      consequence: "Stopping or restarting the unit ends the keeper and every worker",
      remedy: "Set KillMode=process in the unit, or run the keeper in a unit of its own",
    };
  }
  if (process.ppid === 1 && process.pid < 10) {
    return {
      name: "restart.survival",
      outcome: "warning",
      message: "The daemon seems to be the main program of a container",
      consequence: "When the daemon ends, the container ends, and every worker with it",
      remedy: "Run an init in the container that starts the daemon again",
    };
  }
  return ok("restart.survival", "Workers outlive a restart or crash of the daemon");
}

function cgroupLeaves({ features, cgroup }: KeeperWelcome): Check {
  return feature(
    features.cgroupLeaves,
    "cgroup.delegation",
    `Each worker gets a cgroup of its own in ${cgroup ?? ""}`,
    "Without a delegated cgroup v2 the tree of a worker is found by looking through /proc: a descendant that hides from it (own session, other environment) may escape a kill",
    "Run the keeper in a systemd unit with Delegate=yes, or name a directory with --cgroup",
  );
}

function cgroupKill({ features }: KeeperWelcome): Check {
  return feature(
    features.cgroupKill,
    "cgroup.kill",
    "A tree is killed by one write",
    features.cgroupLeaves
      ? "The kernel has no cgroup.kill: trees are killed process by process"
      : "Needs cgroup delegation: trees are killed process by process",
    features.cgroupLeaves ? "Linux 5.14 or newer" : "See cgroup.delegation",
  );
}

function forkServer({ name, state, why }: TemplateFinding): Check {
  const check = `fork.${name}`;
  if (why === "") {
    const idle = `The template ${name} is started when it is first needed`;
    return ok(check, state === "idle" ? idle : `The template ${name} is ${state}`);
  }
  const failed = state === "failed";
  return {
    name: check,
    outcome: "warning",
    message: failed ? `The template ${name} has failed: ${why}` : why,
    consequence: failed
      ? "Nothing can be created from it"
      : `Workers of the template ${name} are spawned, not forked: they start slowly and share no memory`,
    remedy: failed
      ? `See forkbus template inspect ${name}`
      : "Use an interpreter that can be forked; forkbus build-native builds what is missing for it",
  };
}

/** The keeper needs a descriptor for each worker. */
async function descriptors({ pid }: KeeperWelcome): Promise<Check> {
  const limit = Number(/^Max open files\s+(\d+)/m.exec(await textOf(`/proc/${pid}/limits`))?.[1]);
  if (!Number.isFinite(limit) || limit >= MANY_DESCRIPTORS) {
    return ok("limits.open_files", `The keeper may hold ${limit} descriptors`);
  }
  return {
    name: "limits.open_files",
    outcome: "warning",
    message: `The keeper may hold ${limit} descriptors`,
    consequence: `At most about ${Math.floor(limit / 2)} workers with stdin can live at once`,
    remedy: "Raise LimitNOFILE of the unit, or `ulimit -n` before `forkbus serve`",
  };
}

async function disk({ stateDir, reserveBytes }: DiagnosisSubject): Promise<Check> {
  const { bavail, bsize } = await statfs(stateDir);
  const free = bavail * bsize;
  const found = `${Math.floor(free / 1024 / 1024)} MiB are free in ${stateDir}`;
  if (free > 4 * reserveBytes) return ok("disk.space", found);
  return {
    name: "disk.space",
    outcome: free > reserveBytes ? "warning" : "failed",
    message: found,
    consequence:
      "Below the reserve, old output is given up early; on a full disk workers get ENOSPC, and no process can be created",
    remedy: "Make room, or move the state directory",
  };
}

function feature(
  available: boolean,
  name: string,
  good: string,
  consequence: string,
  remedy: string,
): Check {
  if (available) return ok(name, good);
  return { name, outcome: "warning", message: "Not available here", consequence, remedy };
}

function ok(name: string, message: string): Check {
  return { name, outcome: "ok", message, consequence: "", remedy: "" };
}

/** Empty when the process has gone meanwhile. */
function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
