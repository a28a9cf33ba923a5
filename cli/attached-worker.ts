import { constants } from "node:os";
import { addAbortSignal, type Readable } from "node:stream";
import { ForkbusError, ProcessEndedError } from "../client/typescript/errors.js";
import { type StreamName } from "../client/typescript/logs.js";
import { type Process } from "../client/typescript/process.js";
import { type ExitRecord } from "../proto/gen/forkbus/v1/process.js";
import { codeOfExit, describeExit, exitCode } from "./exit-code.js";
import { writeResult } from "./function-result.js";
import { type InterruptAction } from "./interrupts.js";
import { type Invocation } from "./invocation.js";
import { escapeText } from "./output/escape.js";
import { writeLogEvent } from "./output/log-events.js";
import { OutputClosed } from "./screen.js";
import { type SignalSource } from "./signal-source.js";

const newline = 0x0a;

/** What to attach a worker to. */
export interface Attachment {
  readonly invocation: Invocation;
  readonly signals: SignalSource;
  /** Undefined when the worker has no stdin of ours. */
  readonly stdin: Readable | undefined;
  readonly streams: readonly StreamName[];
  /** Whether the worker calls a function, whose result comes out at the end. */
  readonly hasResult: boolean;
}

/** How an attachment ended. */
export interface Detached {
  /** To exit with. */
  readonly code: number;
  /** False when somebody left and the worker may run on. */
  readonly ended: boolean;
}

/**
 * Joins a worker that has just started to our own input, output and signals until it has ended.
 *
 * Output goes through byte by byte, each stream at its own pace. When the reader of our output goes away the worker is
 * stopped, as SIGPIPE would have done in a pipeline. Output that was gone before it could be read makes the run fail,
 * whatever the worker's code is: what came out is not what the worker wrote. When somebody gives up on a daemon that does not answer, the
 * worker is left alone, and runs on.
 */
export async function attach(process: Process, attachment: Attachment): Promise<Detached> {
  const { invocation, signals, stdin, streams, hasResult } = attachment;
  const { screen } = invocation;
  const leaving = new AbortController();
  const { signal } = leaving;
  let leftBy: NodeJS.Signals | undefined;
  const damaged = new Set<StreamName>();
  let isLineOpen = false;

  signals.onAction((action) => {
    if (action.kind === "leave") {
      leftBy = action.signal;
      leaving.abort();
    } else {
      perform(process, action).catch((error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        // If stderr is gone too there is nobody left to tell.
        screen.err(`forkbus: ${escapeText(message)}\n`).catch(() => undefined);
      });
    }
  });

  const input =
    stdin === undefined
      ? Promise.resolve()
      : pumpInput(process, addAbortSignal(signal, stdin), signal);
  const output = Promise.all(
    streams.map(async (stream) => {
      for await (const event of process.logs({ stream, signal })) {
        if (event.kind === "gap") damaged.add(stream);
        if (stream === "stdout" && event.kind === "chunk")
          isLineOpen = event.data.at(-1) !== newline;
        await writeLogEvent(screen, event);
      }
    }),
  );
  try {
    // The input may go on for longer than the worker, but its failure ends the run.
    await Promise.race([output, neverUnlessFailed(input)]);
    await process.join({ signal });
  } catch (error) {
    if (leftBy !== undefined) return { code: 128 + constants.signals[leftBy], ended: false };
    if (!(error instanceof OutputClosed)) throw error;
    await process.stop({ signal });
    return { code: exitCode.brokenPipe, ended: true };
  } finally {
    leaving.abort();
    await Promise.allSettled([input, output]);
  }
  const record = process.latest.status?.exit;
  if (hasResult) {
    await writeResult(screen, process.latest, isLineOpen);
  } else if (record?.outcome?.$case === "lost") {
    await screen.err(`forkbus: ${escapeText(`${process.name} ${describeExit(record)}`)}\n`);
  }
  if (damaged.size === 0) return { code: codeOfExit(record), ended: true };
  await screen.err(`forkbus: ${escapeText(describeDamage(process.name, damaged, record))}\n`);
  return { code: exitCode.notTheWorker, ended: true };
}

function describeDamage(
  name: string,
  damaged: ReadonlySet<StreamName>,
  record: ExitRecord | undefined,
): string {
  const streams = [...damaged].join(" and ");
  return `Some ${streams} of ${name} was lost before it could be read (it ${describeExit(record)}); --keep-output keeps more`;
}

async function perform(process: Process, action: InterruptAction): Promise<void> {
  switch (action.kind) {
    case "send":
      try {
        await process.signal(action.signal, { tree: action.scope === "tree" });
      } catch (error) {
        // It was on its way out when the signal came.
        if (!(error instanceof ProcessEndedError)) throw error;
      }
      break;
    case "stop":
      await process.stop({ timeoutMs: 0 });
      break;
    case "kill-tree":
      await process.stop({ graceMs: 0, timeoutMs: 0 });
      break;
    case "leave":
      break;
  }
}

/** Passes our input on until it ends, or until the worker does not want more. */
async function pumpInput(process: Process, stdin: Readable, signal: AbortSignal): Promise<void> {
  try {
    for await (const chunk of stdin) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError("The input is not read as bytes");
      await process.stdin.write(chunk, { signal });
    }
    await process.stdin.end(undefined, { signal });
  } catch (error) {
    if (signal.aborted || isNotWanted(error)) return;
    throw error;
  } finally {
    stdin.destroy();
  }
}

function isNotWanted(error: unknown): boolean {
  return (
    error instanceof ProcessEndedError ||
    (error instanceof ForkbusError && error.reason === "STDIN_NOT_OPEN")
  );
}

async function neverUnlessFailed(work: Promise<unknown>): Promise<never> {
  await work;
  return new Promise<never>(() => undefined);
}
