/**
 * Takes guesses that are not close out of an error message of commander: one slip of the finger, or two in a word of
 * more than six letters. A guess that is far off sends people to a command that they did not mean.
 */
export function keepCloseSuggestions(message: string): string {
  const match = /'([^']+)'\n\(Did you mean (?:one of )?([^?]+)\?\)/.exec(message);
  const [, word, guesses] = match ?? [];
  if (word === undefined || guesses === undefined) return message;
  const most = word.replace(/^-+/, "").length > 6 ? 2 : 1;
  const close = guesses.split(", ").filter((guess) => editDistance(word, guess) <= most);
  const hint = close.length > 1 ? `one of ${close.join(", ")}` : close.join("");
  return message.replace(
    /\n\(Did you mean [^)]*\)/,
    hint === "" ? "" : `\n(Did you mean ${hint}?)`,
  );
}

/** How many letters have to be put in, taken out, changed or swapped with their neighbour. */
function editDistance(from: string, to: string): number {
  const rows: number[][] = [];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let i = 0; i <= from.length; i += 1) {
    rows.push([]);
    for (let j = 0; j <= to.length; j += 1) {
      rows[i]?.push(i === 0 ? j : j === 0 ? i : best(i, j));
    }
  }
  return at(from.length, to.length);

  function best(i: number, j: number): number {
    const change = from[i - 1] === to[j - 1] ? 0 : 1;
    const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
    return Math.min(
      at(i - 1, j) + 1,
      at(i, j - 1) + 1,
      at(i - 1, j - 1) + change,
      isSwap ? at(i - 2, j - 2) + 1 : Infinity,
    );
  }
}
