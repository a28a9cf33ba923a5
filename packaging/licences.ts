/** SPDX identifiers of licences that allow what we do with any of our dependencies. */
const ALLOWED: ReadonlySet<string> = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "MIT",
]);

/**
 * Whether this SPDX expression allows our use: one of its alternatives does, with all of its parts. What mixes AND and
 * OR must be allowed in every part.
 */
export function isAllowed(expression: string): boolean {
  const terms = expression.replace(/^\((.*)\)$/, "$1").split(/ (AND|OR) /);
  const ids = terms.filter((_term, index) => index % 2 === 0);
  const operators = new Set(terms.filter((_term, index) => index % 2 === 1));
  const allows = (id: string): boolean => ALLOWED.has(id.replace(/[()]/g, ""));
  return operators.has("OR") && !operators.has("AND") ? ids.some(allows) : ids.every(allows);
}
