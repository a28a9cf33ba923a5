import { type Process, StartMethod } from "../../proto/gen/forkbus/v1/process.js";
import { enumName } from "./enum-name.js";
import { quoteCommand } from "./escape.js";

/** What was asked to run: a command as it could be typed, or the language and the name of a function. */
export function commandText(process: Process): string {
  const target = process.spec?.target;
  switch (target?.$case) {
    case "exec": {
      const { argv, path } = target.value;
      return quoteCommand(argv.length > 0 ? argv : [path]);
    }
    case "python":
    case "node":
      return quoteCommand([target.$case, target.value.function]);
    case undefined:
      return "";
  }
}

/** How it came into being, and what from: `forkserver from numpy, generation 2, warm`; nothing for a program. */
export function methodText({ spec, status }: Process): string {
  if (spec === undefined || spec.target?.$case === "exec") return "";
  const method = status?.startMethod || spec.startMethod;
  const name = enumName(StartMethod, method).toLowerCase();
  const generation = status?.templateGeneration ?? 0n;
  const source = method === StartMethod.FORK ? spec.forkFrom : spec.template;
  const parts = [
    source === "" ? name : `${name} from ${source}`,
    generation === 0n ? "" : `generation ${generation}`,
    status?.warm === true ? "warm" : "",
    fellBack(spec.startMethod, method) ? "the template cannot be forked here" : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function fellBack(wanted: StartMethod, used: StartMethod): boolean {
  return wanted === StartMethod.FORKSERVER && used === StartMethod.SPAWN;
}
