/** One of a list, in the order of names. */
export interface Listed<T> {
  readonly name: string;
  readonly item: T;
  /** About how long the parts of it that can be large are, in characters. */
  readonly size: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** The name to go on after; null on the last page. */
  readonly lastName: string | null;
}

/**
 * Of what can be large, in characters, each of which may be three bytes: with all the rest a page stays below the 4 MiB
 * that gRPC clients take.
 */
export const PAGE_CHARACTERS = 768 * 1024;

/** At most `count` of them, and fewer where they are large, but one in any case. Reads one more than it takes. */
export function pageOf<T>(found: Iterable<Listed<T>>, count: number): Page<T> {
  const items: T[] = [];
  let lastName: string | null = null;
  let left = PAGE_CHARACTERS;
  for (const { name, item, size } of found) {
    left -= size;
    if (items.length === count || (items.length > 0 && left < 0)) return { items, lastName };
    items.push(item);
    lastName = name;
  }
  return { items, lastName: null };
}
