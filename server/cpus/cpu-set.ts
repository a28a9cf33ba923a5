/** CPUs by the kernel's numbers, ascending, each once. */
export type CpuSet = readonly number[];

/** Far above the largest NR_CPUS of any kernel configuration (8192), so that a typing error cannot ask for gigabytes. */
const MAX_CPU = 65_535;

/** Reads the kernel's list format, such as `0,2-3`; undefined when it is malformed. */
export function parseCpuSet(text: string): CpuSet | undefined {
  const cpus = new Set<number>();
  for (const part of text.trim().split(",")) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first || last > MAX_CPU) return undefined;
    for (let cpu = first; cpu <= last; cpu++) cpus.add(cpu);
  }
  return sorted(cpus);
}

export function formatCpuSet(cpus: CpuSet): string {
  const parts: string[] = [];
  for (let start = 0; start < cpus.length;) {
    let end = start;
    while (end + 1 < cpus.length && cpus[end + 1] === (cpus[end] ?? 0) + 1) end++;
    parts.push(start === end ? `${cpus[start] ?? 0}` : `${cpus[start] ?? 0}-${cpus[end] ?? 0}`);
    start = end + 1;
  }
  return parts.join(",");
}

export function sorted(cpus: Iterable<number>): CpuSet {
  return [...new Set(cpus)].sort((a, b) => a - b);
}
