import { reseed } from "./entropy.js";
import { type ZygoteAddon } from "./zygote-addon.js";

/** Set in a process that was forked. */
let forkedWith: ZygoteAddon | undefined;

/**
 * Makes exits ready for children. To be called before any code of the user, which may wrap what is wrapped here. Node
 * would join threads that are not in the child; so a child leaves by itself once its last `exit` listener has run.
 * `process.emit` is the one place that every way out goes through; after it, Node still prints what was not caught.
 */
export function prepareExit(): void {
  const emit: unknown = Reflect.get(process, "emit");
  if (typeof emit !== "function") throw new TypeError("This Node's process emits nothing");
  const reallyExit: unknown = Reflect.get(process, "reallyExit");
  Reflect.set(process, "emit", (...event: unknown[]): unknown => {
    const answer: unknown = Reflect.apply(emit, process, event);
    const [name, code] = event;
    if (name === "exit") forkedWith?.exitWith(exitCode(code));
    return answer;
  });
  Reflect.set(process, "reallyExit", (code: unknown): void => {
    forkedWith?.exitNow(exitCode(code));
    if (typeof reallyExit === "function") Reflect.apply(reallyExit, process, [code]);
  });
}

/** In a child, before anything else: what Node remembers of the process that it was. */
export function repairProcess(addon: ZygoteAddon): void {
  forkedWith = addon;
  Object.defineProperty(process, "pid", {
    value: addon.processId(),
    writable: false,
    enumerable: true,
    configurable: true,
  });
  reseed();
}

function exitCode(code: unknown): number {
  return Number(process.exitCode ?? code ?? 0) & 255;
}
