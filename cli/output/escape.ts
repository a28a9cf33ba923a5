/**
 * The text with everything that a terminal would obey, or not show, written out: control characters (C0, DEL, C1), line
 * and paragraph separators, and marks that change the direction of text. Others stay as they are. The result is one line.
 */
export function escapeText(text: string): string {
  return text.replace(unsafe, (character) => {
    const known = named[character];
    if (known !== undefined) return known;
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** A command line as it could be typed into a shell, on one line and safe to print. */
export function quoteCommand(argv: readonly string[]): string {
  return argv.map(quoteWord).join(" ");
}

function quoteWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (new RegExp(unsafe).test(word)) return `$'${escapeText(word.replace(/['\\]/g, "\\$&"))}'`;
  return `'${word.replaceAll("'", "'\\''")}'`;
}

const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const unsafe = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Cs}/gu;
