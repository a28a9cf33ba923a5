import { UsageError } from "../usage-error.js";

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const highestMs = 0xffff_ffff;

/** Milliseconds of `10` (seconds), `1.5s`, `500ms`, `2m`, `1h` or `1d`; at most about 49 days. */
export function parseDurationMs(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text);
  const amount = match?.[1];
  if (amount === undefined) {
    throw new UsageError(`${option} takes a time such as 10, 1.5s, 500ms or 2m; got "${text}"`);
  }
  const unit = match?.[2];
  const ms = Math.round(Number(amount) * (isUnit(unit) ? unitMs[unit] : unitMs.s));
  if (ms > highestMs) throw new UsageError(`${option} is at most 49 days, got "${text}"`);
  return ms;
}

function isUnit(text: string | undefined): text is keyof typeof unitMs {
  return text !== undefined && text in unitMs;
}
