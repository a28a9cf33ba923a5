import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CpuSet, parseCpuSet } from "../../server/cpus/cpu-set.js";
import type { Topology } from "../../server/cpus/topology.js";
import { readTopology, type SysDevices } from "../../server/kernel/cpu-topology.js";
import { packageRoot } from "../../server/kernel/package-root.js";

/** The recorded tree test/fixtures/cpus/NAME.sys, whose form the README there describes. */
export function sysTree(name: string): SysDevices {
  const text = readFileSync(join(packageRoot, `test/fixtures/cpus/${name}.sys`), "utf8");
  const files = new Map<string, string>();
  for (const line of text.split("\n")) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [path = "", value = ""] = line.split(" = ");
    for (const [file, content] of expand(path, value)) files.set(file, `${content}\n`);
  }
  return (path) => files.get(path);
}

export function topologyOf(name: string, fallback: CpuSet = []): Topology {
  return readTopology(sysTree(name), fallback);
}

function expand(path: string, value: string): readonly (readonly [string, string])[] {
  const list = /\{([^}]+)\}/.exec(path);
  if (list === null) return [[path, value]];
  return (parseCpuSet(list[1] ?? "") ?? []).map((number) => [
    path.replace(list[0], String(number)),
    value.replace(/\{([+/-]?)(\d*)\}/g, (_whole, operator: string, operand: string) =>
      String(operated(number, operator, Number(operand))),
    ),
  ]);
}

function operated(number: number, operator: string, operand: number): number {
  switch (operator) {
    case "+":
      return number + operand;
    case "-":
      return number - operand;
    case "/":
      return Math.floor(number / operand);
    default:
      return number;
  }
}
