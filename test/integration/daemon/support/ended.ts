import assert from "node:assert/strict";
import { type Timestamp } from "../../../../proto/gen/google/protobuf/timestamp.js";
import {
  type ExitRecord,
  type Process,
  type ProcessStatus,
} from "../../../../proto/gen/forkbus/v1/process.js";
import { type DaemonHarness } from "../../../support/daemon-harness.js";

/** Waits for the end of a process. */
export async function ended(
  daemon: DaemonHarness,
  { name }: Pick<Process, "name">,
): Promise<Process> {
  const { reached, process } = await daemon.processes.waitProcess({ name, waitMs: 60_000 });
  assert.equal(reached, true, `${name} did not end`);
  assert.ok(process);
  return process;
}

export function statusOf(process: Process | undefined): ProcessStatus {
  assert.ok(process?.status);
  return process.status;
}

export function exitOf(process: Process | undefined): ExitRecord {
  const { exit } = statusOf(process);
  assert.ok(exit, `${process?.name ?? ""} has not ended`);
  return exit;
}

/** Of the wall clock. */
export function millisecondsOf(time: Timestamp | undefined): number {
  assert.ok(time);
  return Number(time.seconds) * 1000 + time.nanos / 1e6;
}

/** Such as `3`, `SIGKILL` or `LOST`. */
export function outcomeOf(process: Process | undefined): string {
  const { outcome } = exitOf(process);
  switch (outcome?.$case) {
    case "exitCode":
      return String(outcome.value);
    case "signal":
      return outcome.value.name;
    case "lost":
      return "LOST";
    case undefined:
      return "nothing";
  }
}
