/** An operating-system process, which the start ticks tell from another with the same pid. */
export interface PidAndStart {
  readonly pid: number;
  readonly startTicks: bigint;
}

/** Of `/proc/PID/stat`: field 22; the second one, in parentheses, may hold anything. */
export function startTicksOf(stat: string): bigint | undefined {
  const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return ticks === undefined ? undefined : BigInt(ticks);
}
