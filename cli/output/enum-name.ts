/**
 * The name that an enum of the API gives a number, such as `RUNNING`. A number that this program does not know, because
 * the daemon is newer, is shown as digits; 0, which means "not said", is the empty string.
 */
export function enumName(names: Readonly<Record<string, number>>, value: number): string {
  if (value === 0) return "";
  const found = Object.entries(names).find(([, number]) => number === value && number >= 0);
  return found?.[0] ?? value.toString();
}
