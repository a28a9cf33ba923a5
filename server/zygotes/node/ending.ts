/** What is to be done when the process ends in another way than was meant. */
export interface Ending {
  /** Of what nobody catches; the process ends afterwards. */
  uncaught(thrown: unknown): void;
  /** Nothing is left in the event loop; what is put there now is still done. */
  drained(): void;
  exit(code: number): void;
}

let ending: Ending | undefined;
let isWatching = false;

/** Instead of what was to be done before. A child has that of its parent until it sets its own. */
export function setEnding(next: Ending | undefined): void {
  ending = next;
  if (isWatching) return;
  isWatching = true;
  process.on("uncaughtExceptionMonitor", (thrown: unknown) => {
    const isCaught =
      process.listenerCount("uncaughtException") > 0 ||
      process.hasUncaughtExceptionCaptureCallback();
    if (!isCaught) ending?.uncaught(thrown);
  });
  process.on("beforeExit", () => ending?.drained());
  process.on("exit", (code) => ending?.exit(code));
}
