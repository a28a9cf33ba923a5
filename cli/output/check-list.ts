import { CheckOutcome, type DiagnoseResponseCheck } from "../../proto/gen/forkbus/v1/admin.js";
import { escapeText } from "./escape.js";
import { plural } from "./human.js";
import { type Style } from "./style.js";
import { type Paint } from "./table.js";

interface Mark {
  readonly text: string;
  readonly style: Style;
}

/** Checks in the order given; what a check that is not OK costs and how to mend it stands below it. */
export function renderChecks(checks: readonly DiagnoseResponseCheck[], paint: Paint): string {
  return checks
    .map((check) => {
      const mark = markOf(check.outcome);
      const head = `${paint(mark.style, mark.text.padEnd(4))}  ${paint("strong", escapeText(check.name))}`;
      const lines = [
        ["", check.message],
        ["costs: ", check.consequence],
        ["mend:  ", check.remedy],
      ]
        .filter(([, text]) => text !== "")
        .map(([label = "", text = ""]) => `      ${paint("dim", label)}${escapeText(text)}\n`);
      return `${head}\n${lines.join("")}`;
    })
    .join("");
}

/** One sentence on all of them. */
export function summarizeChecks(checks: readonly DiagnoseResponseCheck[]): string {
  const count = (outcome: CheckOutcome): number =>
    checks.filter((check) => check.outcome === outcome).length;
  const failed = count(CheckOutcome.FAILED);
  const warnings = count(CheckOutcome.WARNING);
  if (failed === 0 && warnings === 0) return `All ${plural(checks.length, "check")} passed.`;
  const parts = [
    failed > 0 ? `${failed} failed` : "",
    warnings > 0 ? plural(warnings, "warning") : "",
    `${count(CheckOutcome.OK)} passed`,
  ];
  return `${parts.filter((part) => part !== "").join(", ")}.`;
}

function markOf(outcome: CheckOutcome): Mark {
  switch (outcome) {
    case CheckOutcome.OK:
      return { text: "ok", style: "good" };
    case CheckOutcome.WARNING:
      return { text: "warn", style: "warning" };
    case CheckOutcome.FAILED:
      return { text: "FAIL", style: "bad" };
    case CheckOutcome.UNSPECIFIED:
    case CheckOutcome.UNRECOGNIZED:
      return { text: "?", style: "dim" };
  }
}
