import { ProcessState } from "../../proto/gen/forkbus/v1/process.js";
import { UsageError } from "../usage-error.js";

const states: Readonly<Record<string, ProcessState>> = {
  starting: ProcessState.STARTING,
  running: ProcessState.RUNNING,
  stopping: ProcessState.STOPPING,
  exited: ProcessState.EXITED,
  lost: ProcessState.LOST,
};

/** States by name, in upper or lower case. */
export function parseStates(names: readonly string[]): readonly ProcessState[] {
  return names.map((name) => {
    const state = Object.hasOwn(states, name.toLowerCase())
      ? states[name.toLowerCase()]
      : undefined;
    if (state === undefined) {
      throw new UsageError(`--state is one of ${Object.keys(states).join(", ")}; got "${name}"`);
    }
    return state;
  });
}
