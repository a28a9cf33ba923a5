import { UsageError } from "../usage-error.js";

/** A whole number between two bounds, both included. */
export function parseWholeNumber(
  option: string,
  text: string,
  least: number,
  most: number,
): number {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= least && number <= most)) {
    throw new UsageError(`${option} takes a whole number from ${least} to ${most}, got "${text}"`);
  }
  return number;
}

/**
 * A number of bytes between two bounds, both included: `4096`, or with a unit `64K`, `64KiB`, `1M`, `2GiB`. Units are
 * powers of 1024, however they are written.
 */
export function parseBytes(option: string, text: string, least: bigint, most: bigint): bigint {
  const match = /^(\d{1,15})(?:([KMGT])(?:i?B)?)?$/i.exec(text);
  const digits = match?.[1];
  if (digits === undefined) {
    throw new UsageError(
      `${option} takes a number of bytes such as 4096, 64K or 1MiB; got "${text}"`,
    );
  }
  const power = "KMGT".indexOf(match?.[2]?.toUpperCase() ?? " ") + 1;
  const bytes = BigInt(digits) << BigInt(10 * power);
  if (bytes < least || bytes > most) {
    throw new UsageError(
      `${option} takes from ${shortBytes(least)} to ${shortBytes(most)}, got "${text}"`,
    );
  }
  return bytes;
}

/** In the largest unit that leaves a whole number, such as `64KiB`, as it can be typed again. */
function shortBytes(bytes: bigint): string {
  let amount = bytes;
  let power = 0;
  while (power < 4 && amount > 0n && amount % 1024n === 0n) {
    amount /= 1024n;
    power += 1;
  }
  return `${amount}${["", "KiB", "MiB", "GiB", "TiB"][power] ?? ""}`;
}

/** A file mode creation mask in octal, such as `022`. */
export function parseUmask(text: string): number {
  if (!/^0?[0-7]{1,3}$/.test(text)) {
    throw new UsageError(`--umask takes an octal mask from 000 to 777, got "${text}"`);
  }
  return Number.parseInt(text, 8);
}
