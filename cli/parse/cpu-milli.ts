import { UsageError } from "../usage-error.js";

const mostCpus = 65_535;

/** Thousandths of a CPU, of a number of CPUs such as `1.5`. */
export function parseCpuMilli(option: string, text: string): number {
  const milli = /^\d{1,5}(?:\.\d{1,3})?$/.test(text) ? Math.round(Number(text) * 1000) : 0;
  if (milli < 1 || milli > mostCpus * 1000) {
    throw new UsageError(
      `${option} takes a number of CPUs from 0.001 to ${mostCpus} such as 1.5, got "${text}"`,
    );
  }
  return milli;
}
