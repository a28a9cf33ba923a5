import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type QueueStatus } from "../../../proto/gen/forkbus/v1/queue.js";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { type DaemonHarness } from "../../support/daemon-harness.js";

const CLIENT = join(packageRoot, "dist/test/fixtures/queues/streaming-client.js");

export const numbers = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

/** A queue in numbers, which add up at every look. */
export async function look(daemon: DaemonHarness, name: string): Promise<QueueStatus> {
  const { queue } = await daemon.queues.getQueue({ name });
  assert.ok(queue?.status);
  const { put, acked, dropped, ready, untaken } = queue.status;
  assert.equal(put, acked + dropped + ready + untaken, "each item is in one place");
  return queue.status;
}

/** A process of its own that speaks to the daemon. */
export function startClient(...args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [CLIENT, ...args], { stdio: ["ignore", "pipe", "inherit"] });
}

/** The next line that it says. */
export async function said(client: ChildProcess): Promise<string> {
  assert.ok(client.stdout);
  const [data] = (await once(client.stdout, "data")) as [Buffer];
  return data.toString().trimEnd();
}

export async function killClient(client: ChildProcess): Promise<void> {
  if (client.exitCode !== null || client.signalCode !== null) return;
  const exited = once(client, "exit");
  client.kill("SIGKILL");
  await exited;
}

export function residentBytes(pid: number): number {
  const match = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(match?.[1] ?? NaN) * 1024;
}
