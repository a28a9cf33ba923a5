import { ContainerPair } from "./container-pair.js";
import { setUp } from "./set-up.js";

/** More than any bound that is to be measured. */
const PATIENCE_MS = 120_000;

let measured: Promise<number> | undefined;

/**
 * How many milliseconds a client goes on that nobody answers any more, because the network is cut for good. That takes
 * long, so it is begun early, runs beside the other tests, and is asked for again at their end.
 */
export function silence(): Promise<number> {
  if (measured === undefined) {
    measured = setUp().then(untilItGivesUp);
    // Whoever asks at the end is told.
    measured.catch(() => undefined);
  }
  return measured;
}

async function untilItGivesUp(): Promise<number> {
  await using pair = await ContainerPair.start();
  await pair.put(["0"]);
  await pair.client.printed("item 0", 10_000);
  await pair.network.cut(pair.daemon.container);
  const began = performance.now();
  await pair.client.printed("failed UNAVAILABLE", PATIENCE_MS);
  return performance.now() - began;
}
