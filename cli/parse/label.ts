import { UsageError } from "../usage-error.js";

/** Labels from a list of `key=value`; `key=` has the empty value. The last entry of a key wins. */
export function parseLabels(entries: readonly string[]): Record<string, string> {
  const result = new Map<string, string>();
  for (const entry of entries) {
    const equals = entry.indexOf("=");
    if (equals <= 0) throw new UsageError(`--label takes KEY=VALUE, got "${entry}"`);
    result.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return Object.fromEntries(result);
}
