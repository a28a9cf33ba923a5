import { invalidField } from "./errors.js";

/** What a client wrote on a resource to find it by. Ordered by key. */
export type Labels = ReadonlyMap<string, string>;

const maxLabels = 64;
const maxValueBytes = 256;
const keyPattern = /^[a-z0-9][a-z0-9._/-]{0,62}$/;

/**
 * At most 64 labels; keys `[a-z0-9][a-z0-9._/-]{0,62}`, values at most 256 bytes of UTF-8.
 *
 * @throws DomainError invalid-field
 */
export function parseLabels(field: string, entries: Iterable<readonly [string, string]>): Labels {
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  if (sorted.length > maxLabels) {
    throw invalidField(
      field,
      String(sorted.length),
      `${field} has ${sorted.length} labels, at most ${maxLabels} are allowed`,
    );
  }
  for (const [key, value] of sorted) {
    if (!keyPattern.test(key)) {
      const shown = key.slice(0, 64);
      throw invalidField(
        field,
        shown,
        `${field} has the key ${JSON.stringify(shown)}, but keys match [a-z0-9][a-z0-9._/-]{0,62}`,
      );
    }
    const bytes = utf8Length(value);
    if (bytes > maxValueBytes) {
      throw invalidField(
        field,
        key,
        `${field} has ${bytes} bytes under ${key}, at most ${maxValueBytes} are allowed`,
      );
    }
  }
  return new Map(sorted);
}

export function equalLabels(a: Labels, b: Labels): boolean {
  return a.size === b.size && hasLabels(a, b);
}

/** Whether every label wanted is there with the same value. */
export function hasLabels(labels: Labels, wanted: Labels): boolean {
  for (const [key, value] of wanted) if (labels.get(key) !== value) return false;
  return true;
}

/** About what they take up. */
export function labelSize(entries: Iterable<readonly [string, string]>): number {
  let size = 0;
  for (const [key, value] of entries) size += key.length + value.length;
  return size;
}

function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
