import { type DescMethod } from "@bufbuild/protobuf";
import { isHarmless } from "./harmless.js";
import { mutate } from "./mutate.js";
import { type Known } from "./plausible-values.js";
import { type Random } from "./random.js";
import { type CallPlan } from "./raw-call.js";
import { RequestGenerator } from "./request-generator.js";
import { pathOf } from "./served-methods.js";
import { mayWait } from "./verdict.js";

/** A call that may wait is given up after this long. */
const PATIENCE_MS = 100;
/** A call that may not wait has an answer within this, however busy the machine is. */
const ANSWER_MS = 30_000;

/** What a hostile client does next. All of it follows from `random` and from what is known. */
export function nextCall(method: DescMethod, random: Random, known: Known): CallPlan {
  const messages = Array.from({ length: messageCount(method, random) }, () =>
    harmlessMutant(method, random, known),
  );
  const ending = isClientStream(method)
    ? random.pick(["half-close", "half-close", "cancel", "open"] as const)
    : "half-close";
  if (!mayWait(method, { messages, ending })) {
    return { messages, ending, withinMs: ANSWER_MS, giveUp: "deadline" };
  }
  const giveUp = random.pick(["deadline", "cancel"] as const);
  return { messages, ending, withinMs: PATIENCE_MS, giveUp };
}

function messageCount(method: DescMethod, random: Random): number {
  return isClientStream(method) ? random.pick([0, 1, 2, 3, 5, 20]) : 1;
}

function isClientStream({ methodKind }: DescMethod): boolean {
  return methodKind === "client_streaming" || methodKind === "bidi_streaming";
}

function harmlessMutant(method: DescMethod, random: Random, known: Known): Buffer {
  for (;;) {
    const bytes = mutant(method, random, known);
    if (isHarmless(pathOf(method), bytes)) return bytes;
  }
}

function mutant(method: DescMethod, random: Random, known: Known): Buffer {
  const kind = random.below(20);
  if (kind === 0) return random.bytes(random.below(300));
  const hostility = random.pick([0, 0, 0.1, 0.5]);
  const bytes = new RequestGenerator(random, known, hostility).bytes(method.input);
  // Some pass as they are, or nothing would ever happen for the others to disturb.
  return kind < 6 ? bytes : mutate(random, bytes);
}
