import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks of /proc per second: 100 on every Linux that there is (USER_HZ). */
const TICK_MS = 10;

/** A line of /proc/PID/status, such as `VmRSS`. */
export function statusField(pid: number, field: string): string {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return new RegExp(`^${field}:\\s*(.*)$`, "m").exec(text)?.[1]?.trim() ?? "";
}

export function rssBytes(pid: number): number {
  return Number.parseInt(statusField(pid, "VmRSS"), 10) * 1024;
}

/** The letter of its state; undefined when there is no such process. */
export function processState(pid: number): string | undefined {
  return statFields(pid)?.[0];
}

/** Neither gone nor a zombie. */
export function isAlive(pid: number): boolean {
  const state = processState(pid);
  return state !== undefined && state !== "Z" && state !== "X";
}

/** User and system time so far. */
export function cpuTimeMs(pid: number): number {
  const fields = statFields(pid) ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

export function descriptorCount(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Its arguments, or what it calls itself; empty when it is gone. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}

/** Its living and dead children. */
export function childrenOf(pid: number): readonly number[] {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((child) => statFields(child)?.[1] === String(pid));
}

export function zombiesOf(pid: number): readonly number[] {
  return childrenOf(pid).filter((child) => processState(child) === "Z");
}

/** What follows the name in /proc/PID/stat: the name may hold spaces and brackets. */
function statFields(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
