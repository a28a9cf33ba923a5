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

/** A number of bytes: `4096`, or with a binary unit `64K`, `64KiB`, `1M`, `2GiB`. */
export function parseBytes(option: string, text: string): bigint {
  const match = /^(\d{1,15})(?:([KMGT])(?:i?B)?)?$/i.exec(text);
  const digits = match?.[1];
  if (digits === undefined) {
    throw new UsageError(
      `${option} takes a number of bytes such as 4096, 64K or 1MiB; got "${text}"`,
    );
  }
  const power = "KMGT".indexOf(match?.[2]?.toUpperCase() ?? " ") + 1;
  return BigInt(digits) << BigInt(10 * power);
}

/** A file mode creation mask in octal, such as `022`. */
export function parseUmask(text: string): number {
  if (!/^0?[0-7]{1,3}$/.test(text)) {
    throw new UsageError(`--umask takes an octal mask from 000 to 777, got "${text}"`);
  }
  return Number.parseInt(text, 8);
}
