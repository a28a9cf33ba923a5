import { closeSync } from "node:fs";
import { constants } from "node:os";
import { getSystemErrorName } from "node:util";
import { LINK, RESULT } from "./descriptors.js";
import { sayRefused, sayServing, Step } from "./link-messages.js";
import { repairProcess } from "./process-repairs.js";
import { fail } from "./specialise.js";
import { type Specification, takeSpecification } from "./specification.js";
import { currentThreads, namesOf, type Threads } from "./threads.js";
import { type Packet, type ZygoteAddon } from "./zygote-addon.js";

/** How serving ended: by an order, with the link, or with the birth of this very process, a child. */
export type Served =
  | { readonly kind: "released" }
  | { readonly kind: "link ended" }
  | { readonly kind: "born"; readonly specification: Specification };

const [FORK, RELEASE, GO] = [0x46, 0x55, 0x47];
const ID = { start: 1, end: 17 };
/** With a word on whether the go may be long in coming, which is all the same to a child of Node's. */
const LONGEST_ORDER = 18;

/**
 * Serves orders to fork from now on, and does nothing else: the event loop stands still, and there is nothing in it
 * that a child could inherit. To be called in a turn of its own (from setImmediate), in which no event is being dealt
 * with, and with Node's own threads alone. Returns in the server at the end, and in each child, after the keeper has said go.
 */
export function serve(addon: ZygoteAddon): Served {
  const known = currentThreads();
  // V8 may want some for itself meanwhile; they rest when a child is made.
  const others = known.size - addon.platformThreads();
  addon.awaitSignals(true);
  sayServing(true);
  for (;;) {
    const { bytes, files } = receive(addon, LINK);
    const [type] = bytes;
    const [link, leaf = -1] = files;
    if (type === FORK && link !== undefined && isOrder(bytes)) {
      const id = bytes.subarray(ID.start, ID.end);
      const worker = addon.forkWorker(link, leaf, id, others + addon.platformThreads());
      if (worker === 0) return { kind: "born", specification: takeLife(addon) };
      for (const file of files) closeSync(file);
      if (worker < 0) refuse(id, -worker, known);
      continue;
    }
    for (const file of files) closeSync(file);
    if (type !== RELEASE && type !== undefined) continue;
    addon.awaitSignals(false);
    if (type === undefined) return { kind: "link ended" };
    sayServing(false);
    return { kind: "released" };
  }
}

function isOrder({ length }: Buffer): boolean {
  return length === ID.end || length === LONGEST_ORDER;
}

function refuse(id: Buffer, errno: number, known: Threads): void {
  if (errno !== constants.errno.EBUSY) {
    sayRefused(id, errno, getSystemErrorName(-errno));
    return;
  }
  const names = namesOf(currentThreads(), known);
  const why = names.length > 0 ? names.join(", ") : "a thread of Node's that does not come to rest";
  sayRefused(id, errno, why);
}

/** In a child: waits for its go. Without one it has never been. */
function takeLife(addon: ZygoteAddon): Specification {
  repairProcess(addon);
  const { bytes, files } = receive(addon, LINK);
  const [specification, result, ...streams] = files;
  if (bytes[0] !== GO || specification === undefined || result === undefined) addon.exitNow(0);
  addon.move(result, RESULT, true);
  streams.forEach((file, number) => addon.move(file, number, false));
  try {
    return takeSpecification(specification);
  } catch {
    return fail(Step.specification, constants.errno.EINVAL);
  }
}

function receive(addon: ZygoteAddon, socket: number): Packet {
  const packet = addon.receive(socket);
  if (typeof packet !== "number") return packet;
  throw new Error(`The link cannot be read: ${getSystemErrorName(packet)}`);
}
