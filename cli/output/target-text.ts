import { type Process, StartMethod } from "../../proto/gen/forkbus/v1/process.js";
import { enumName } from "./enum-name.js";
import { quoteCommand } from "./escape.js";

type Start = Pick<Process, "spec" | "status">;

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

/** The same in a table, with how it came into being: `python app:predict (forkserver from vision)`. */
export function commandAndMethod(process: Process): string {
  const how = sourceText(process);
  return how === "" ? commandText(process) : `${commandText(process)} (${how})`;
}

/** How it came into being, and what from: `forkserver from numpy, generation 2, warm`; nothing for a program. */
export function methodText({ spec, status }: Start): string {
  if (spec === undefined || spec.target?.$case === "exec") return "";
  const generation = status?.templateGeneration ?? 0n;
  const parts = [
    sourceText({ spec, status }),
    generation === 0n ? "" : `generation ${generation}`,
    status?.warm === true ? "warm" : "",
    fellBack(spec.startMethod, usedMethod({ spec, status }))
      ? "the template cannot be forked here"
      : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function sourceText({ spec, status }: Start): string {
  if (spec === undefined || spec.target?.$case === "exec") return "";
  const method = usedMethod({ spec, status });
  const source = method === StartMethod.FORK ? spec.forkFrom : spec.template;
  const name = enumName(StartMethod, method).toLowerCase();
  // The built-in template of a language has its name, and goes without saying.
  return [name, source === "" || source === spec.target?.$case ? "" : `from ${source}`]
    .filter((part) => part !== "")
    .join(" ");
}

/** As soon as it is known, the one that was used. */
function usedMethod({ spec, status }: Start): StartMethod {
  return status?.startMethod || (spec?.startMethod ?? StartMethod.UNSPECIFIED);
}

function fellBack(wanted: StartMethod, used: StartMethod): boolean {
  return wanted === StartMethod.FORKSERVER && used === StartMethod.SPAWN;
}
