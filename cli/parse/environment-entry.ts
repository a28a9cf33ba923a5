import { UsageError } from "../usage-error.js";

/**
 * The variables that a list of `NAME=VALUE` and `NAME` asks for. A bare name takes its value from `own`, and is left
 * out when it is not set there. The last entry of a name wins.
 */
export function parseEnvironment(
  entries: readonly string[],
  own: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const result = new Map<string, string>();
  for (const entry of entries) {
    const equals = entry.indexOf("=");
    const name = equals < 0 ? entry : entry.slice(0, equals);
    if (name === "") throw new UsageError(`--env takes NAME or NAME=VALUE, got "${entry}"`);
    const value = equals < 0 ? own[name] : entry.slice(equals + 1);
    if (value !== undefined) result.set(name, value);
  }
  return Object.fromEntries(result);
}
