import { readSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { LINK, SPECIFICATION } from "./descriptors.js";
import { sayWaiting, Step } from "./link-messages.js";
import { prepare } from "./preparation.js";
import { type Program } from "./program.js";
import { fail } from "./specialise.js";
import {
  type PrestartedSpecification,
  takeSpecification,
  type WorkerSpecification,
} from "./specification.js";
import { printThrown } from "./thrown.js";

const GO = "G".charCodeAt(0);

/**
 * A worker that was spawned before it is known what for, of a template that cannot be forked: it loads what every worker of
 * the template needs, and waits. All of this needs nothing but Node itself: where there is no addon there are no forks.
 */
export async function awaitTarget(
  specification: PrestartedSpecification,
  { loader }: Program,
): Promise<WorkerSpecification> {
  try {
    await prepare(specification, loader);
  } catch (thrown) {
    writeSync(2, `${printThrown(thrown)}\n`);
    process.exit(1);
  }
  sayWaiting();
  const packet = Buffer.alloc(1);
  // Without a go it has never been.
  if (readLink(packet) !== 1 || packet[0] !== GO) process.exit(0);
  const next = takeOther();
  return next?.kind === "worker" ? next : fail(Step.specification, constants.errno.EINVAL);
}

/** Until there is something to read: nothing of what was loaded goes on meanwhile. */
function readLink(into: Buffer): number {
  try {
    return readSync(LINK, into);
  } catch {
    return 0;
  }
}

/** The file that the first one was in has another by now. */
function takeOther(): ReturnType<typeof takeSpecification> | undefined {
  try {
    return takeSpecification(SPECIFICATION);
  } catch {
    return undefined;
  }
}
