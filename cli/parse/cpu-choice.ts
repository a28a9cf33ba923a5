import { UsageError } from "../usage-error.js";

/** What `--cpus` asks for: so many CPUs of the daemon's choosing, for it alone perhaps, none at all, or exactly these. */
export type CpuChoice =
  | { readonly kind: "count"; readonly count: number }
  | { readonly kind: "exclusive"; readonly count: number; readonly layout: CpuLayoutName }
  | { readonly kind: "unpinned" }
  | { readonly kind: "list"; readonly cpus: readonly number[] };

const layouts = ["compact", "spread", "full-core"] as const;

export type CpuLayoutName = (typeof layouts)[number];

const highestCpu = 65_535;

/**
 * `exclusive:2` and `exclusive:2:spread` are for the worker alone. `4` is a number of CPUs and `0` means not pinned; anything with a comma or a dash (`0,2-3`, `1-1`, `1,`) is a list of
 * CPUs by the kernel's numbers. A list comes back sorted, each CPU once.
 */
export function parseCpuChoice(text: string): CpuChoice {
  if (text.startsWith("exclusive")) return parseExclusive(text);
  if (!/[,-]/.test(text)) {
    const count = parseNumber(text, text);
    return count === 0 ? { kind: "unpinned" } : { kind: "count", count };
  }
  return { kind: "list", cpus: parseCpuList(text) };
}

function parseExclusive(text: string): CpuChoice {
  const [, digits = "1", name = "compact", ...rest] = text.split(":");
  const layout = layouts.find((one) => one === name);
  const count = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if (layout !== undefined && count > 0 && rest.length === 0 && /^exclusive(:|$)/.test(text)) {
    return { kind: "exclusive", count, layout };
  }
  throw new UsageError(
    `Exclusive CPUs are written exclusive:N or exclusive:N:LAYOUT, with a LAYOUT of ${layouts.join(", ")}; got "${text}"`,
  );
}

/** A list such as `0,2-3`. A trailing comma is allowed, so that `1,` can be told from the number 1. */
export function parseCpuList(text: string): readonly number[] {
  const cpus = new Set<number>();
  for (const part of text.replace(/,$/, "").split(",")) {
    const [first = "", last, ...rest] = part.split("-");
    if (rest.length > 0) throw invalid(text);
    const from = parseNumber(first, text);
    const to = last === undefined ? from : parseNumber(last, text);
    if (to < from) throw new UsageError(`CPU range ${part} in "${text}" runs backwards`);
    for (let cpu = from; cpu <= to; cpu += 1) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}

function parseNumber(digits: string, whole: string): number {
  const number = /^\d{1,5}$/.test(digits) ? Number(digits) : Number.NaN;
  if (!(number <= highestCpu)) throw invalid(whole);
  return number;
}

function invalid(text: string): UsageError {
  return new UsageError(
    `CPUs are a number, 0 for not pinned, a list such as 0,2-3, or exclusive:N; got "${text}"`,
  );
}
