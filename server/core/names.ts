import { invalidField } from "./errors.js";

const namePattern = /^[a-z0-9][a-z0-9._/-]{0,127}$/;
const namePrefixPattern = /^(?:[a-z0-9][a-z0-9._/-]{0,127})?$/;
const requestIdPattern = /^[A-Za-z0-9._:-]{1,64}$/;

/** How much of a bad value an error repeats. */
const shownCharacters = 64;

/**
 * The name of a resource. Slashes group names and do nothing else.
 *
 * @throws DomainError invalid-field
 */
export function parseName(field: string, value: string): string {
  return matching(namePattern, field, value, "a name must match [a-z0-9][a-z0-9._/-]{0,127}");
}

/**
 * The beginning of names, possibly empty.
 *
 * @throws DomainError invalid-field
 */
export function parseNamePrefix(field: string, value: string): string {
  return matching(namePrefixPattern, field, value, "no name begins like this");
}

/**
 * A caller's id of one request.
 *
 * @throws DomainError invalid-field
 */
export function parseRequestId(field: string, value: string): string {
  return matching(requestIdPattern, field, value, "a request id must match [A-Za-z0-9._:-]{1,64}");
}

function matching(pattern: RegExp, field: string, value: string, rule: string): string {
  if (pattern.test(value)) return value;
  const shown = value.length > shownCharacters ? `${value.slice(0, shownCharacters)}…` : value;
  throw invalidField(field, shown, `${field} is ${JSON.stringify(shown)}, but ${rule}`);
}
