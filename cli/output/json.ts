/** What can be written as JSON. Members that are `undefined` are left out; integers of any size stay exact. */
export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue | undefined };

/**
 * A document on one line. Unlike JSON.stringify it writes a bigint as an integer, with all its digits. A number that
 * JSON does not have (NaN, infinities) is `null`.
 */
export function jsonLine(value: JsonValue): string {
  return `${write(value, undefined, "")}\n`;
}

/** A document with two spaces of indentation. */
export function jsonDocument(value: JsonValue): string {
  return `${write(value, "  ", "\n")}\n`;
}

/** The empty string is how the API says that there is nothing. */
export function given(text: string): string | undefined {
  return text === "" ? undefined : text;
}

function write(value: JsonValue, indent: string | undefined, newline: string): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = newline + (indent ?? "");
  if (isList(value)) {
    const items = value.map((item) => inner + write(item, indent, inner));
    return items.length === 0 ? "[]" : `[${items.join(",")}${newline}]`;
  }
  const colon = indent === undefined ? ":" : ": ";
  const members = Object.entries(value).flatMap(([name, member]) =>
    member === undefined
      ? []
      : [inner + JSON.stringify(name) + colon + write(member, indent, inner)],
  );
  return members.length === 0 ? "{}" : `{${members.join(",")}${newline}}`;
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
