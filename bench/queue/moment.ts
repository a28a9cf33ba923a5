/** The monotonic clock that all processes of the machine share, in nanoseconds. */
export function nowNs(): bigint {
  return process.hrtime.bigint();
}
