/** The API's instants: seconds since 1970 in UTC, and nanoseconds. */
export interface Instant {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** RFC 3339 in UTC, with as many of 0, 3, 6 or 9 digits of fraction as the instant has. */
export function rfc3339(instant: Instant | undefined): string | undefined {
  if (instant === undefined) return undefined;
  const whole = new Date(Number(instant.seconds) * 1000).toISOString().slice(0, -5);
  const digits = instant.nanos
    .toString()
    .padStart(9, "0")
    .replace(/(000)+$/, "");
  return `${whole}${digits === "" ? "" : `.${digits}`}Z`;
}

/** Milliseconds since 1970. */
export function instantMs(instant: Instant): number {
  return Number(instant.seconds) * 1000 + instant.nanos / 1e6;
}

/** Date and time on the clock of whoever reads it, such as `2026-03-01 12:00:05`. */
export function localTime(instant: Instant): string {
  const date = new Date(instantMs(instant));
  const two = (part: number): string => part.toString().padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
