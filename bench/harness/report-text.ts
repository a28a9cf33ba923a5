import type { Report, Row, Target } from "./report.js";

/** A report for people: a table for each group, then what is compared, and what was promised. */
export function reportText(report: Report): string {
  const rows = [...report.rows, ...report.floors];
  const groups = [...new Set(rows.map(({ group }) => group))];
  const ratios = Object.entries(report.ratios).map(
    ([key, ratio]) => `  ${key.padEnd(44)} ${ratio.toFixed(2)}`,
  );
  return [
    ...groups.flatMap((group) => [
      `${group}:`,
      ...rows.filter((row) => row.group === group).map(rowText),
      "",
    ]),
    ...(ratios.length > 0 ? ["Ratios:", ...ratios, ""] : []),
    ...(report.targets.length > 0 ? ["Targets:", ...report.targets.map(targetText), ""] : []),
    ...report.left_out.map((line) => `Left out: ${line}`),
    machineText(report),
    ...(report.quick ? ["A quick run: it shows that this works, and not how fast."] : []),
    "",
  ].join("\n");
}

function rowText(row: Row): string {
  const name = row.role === "floor" ? `(floor) ${row.name}` : row.name;
  const values = [
    ...(row.p50_ms === null ? [] : [`p50 ${milliseconds(row.p50_ms)}`]),
    ...(row.p99_ms === null ? [] : [`p99 ${milliseconds(row.p99_ms)}`]),
    ...(row.per_s === null ? [] : [`${wholeNumber(row.per_s).padStart(11)} /s`]),
    ...(row.mb === null ? [] : [`${row.mb.toFixed(2).padStart(8)} MB`]),
  ];
  return `  ${name.padEnd(44)} ${values.join("   ")}   n ${row.n}`;
}

function targetText({ what, value, goal, met }: Target): string {
  const [relation, bound] = "atLeast" in goal ? [">=", goal.atLeast] : ["<=", goal.atMost];
  const shown = value >= 1000 ? wholeNumber(value) : value.toFixed(2);
  const asked = bound >= 1000 ? wholeNumber(bound) : String(bound);
  return `  ${met ? "met   " : "MISSED"} ${what}: ${shown} (goal ${relation} ${asked})`;
}

function machineText({ machine, date, commit }: Report): string {
  const python = machine.python === null ? "" : `, Python ${machine.python}`;
  return (
    `${machine.cpus} CPUs (${machine.cpu_model}), Linux ${machine.kernel}, Node ${machine.node}${python}, ` +
    `load before ${machine.load_before.toFixed(2)}, ${date}, commit ${commit ?? "unknown"}`
  );
}

function milliseconds(value: number): string {
  return `${value.toFixed(2).padStart(8)} ms`;
}

function wholeNumber(value: number): string {
  return Math.round(value).toLocaleString("en").replaceAll(",", " ");
}
