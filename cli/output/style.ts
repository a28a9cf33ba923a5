/** What a piece of text means, as far as a colour can show it. */
export type Style = "dim" | "good" | "warning" | "bad" | "strong";

const codes: Readonly<Record<Style, readonly [number, number]>> = {
  dim: [2, 22],
  strong: [1, 22],
  good: [32, 39],
  warning: [33, 39],
  bad: [31, 39],
};

/** Wraps text in the terminal's codes for a style. */
export function paintForTerminal(style: Style, text: string): string {
  const [on, off] = codes[style];
  return text === "" ? "" : `\u001b[${on}m${text}\u001b[${off}m`;
}

/** Leaves text as it is. */
export function paintNothing(_style: Style, text: string): string {
  return text;
}

/**
 * Whether to write colours: only to a terminal that has them, and never when NO_COLOR is set to anything (see
 * https://no-color.org).
 */
export function wantsColour(
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  const noColour = env["NO_COLOR"];
  return isTerminal && (noColour === undefined || noColour === "") && env["TERM"] !== "dumb";
}
