import assert from "node:assert/strict";
import {
  type LogEnd,
  type LogGap,
  LogStream,
  type ReadLogsRequest,
} from "../../../../proto/gen/forkbus/v1/process.js";
import { type DaemonHarness } from "../../../support/daemon-harness.js";
import { eventually } from "../../../support/eventually.js";

export interface Output {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly gaps: readonly LogGap[];
  readonly ends: readonly LogEnd[];
}

/** Everything that a call of ReadLogs answers. Each chunk must go on where the last one, or a gap, ended. */
export async function readOutput(
  daemon: DaemonHarness,
  request: Partial<ReadLogsRequest> & { readonly name: string },
): Promise<Output> {
  const chunks = new Map<LogStream, Buffer[]>();
  const next = new Map<LogStream, string>();
  const gaps: LogGap[] = [];
  const ends: LogEnd[] = [];
  for await (const { event } of daemon.processes.readLogs(request)) {
    assert.ok(event);
    const { stream } = event.value;
    const at = event.$case === "gap" ? event.value.from : event.value.position;
    assert.ok(at);
    const expected = next.get(stream) ?? `${at.epoch}:${at.offset}`;
    assert.equal(`${at.epoch}:${at.offset}`, expected, "events do not join");
    switch (event.$case) {
      case "chunk":
        chunks.set(stream, [...(chunks.get(stream) ?? []), Buffer.from(event.value.data)]);
        next.set(stream, `${at.epoch}:${at.offset + BigInt(event.value.data.length)}`);
        break;
      case "gap":
        gaps.push(event.value);
        next.set(stream, `${event.value.to?.epoch ?? 0n}:${event.value.to?.offset ?? 0n}`);
        break;
      case "end":
        ends.push(event.value);
        break;
    }
  }
  return {
    stdout: Buffer.concat(chunks.get(LogStream.STDOUT) ?? []),
    stderr: Buffer.concat(chunks.get(LogStream.STDERR) ?? []),
    gaps,
    ends,
  };
}

/** Waits until a running worker has written this to its stdout. */
export async function hasWritten(
  daemon: DaemonHarness,
  name: string,
  text: string,
): Promise<string> {
  return eventually(
    async () => (await readOutput(daemon, { name })).stdout.toString(),
    (written) => written.includes(text),
    { what: `${name} to write ${JSON.stringify(text)}` },
  );
}
