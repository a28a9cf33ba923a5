/** A part of a response that the API promises. Without it the other end is no forkbus daemon of this version. */
export function answered<T>(part: T | undefined, what: string): T {
  if (part === undefined) throw new Error(`The daemon's answer has no ${what}`);
  return part;
}
