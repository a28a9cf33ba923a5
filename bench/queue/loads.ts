import type { Load } from "./exchange.js";

const sizes = { "100 B": 100, "10 KB": 10_000 } as const;
const shapes = { "1 to 1": 1, "4 to 4": 4 } as const;

type SizeName = keyof typeof sizes;
type ShapeName = keyof typeof shapes;

/** Items of one round, for each size. */
export type ItemCounts = Readonly<Record<SizeName, number>>;

export function groupTitle(shape: ShapeName, size: SizeName): string {
  return `${shape}, ${size}`;
}

/** The load of one contender in every group. A quick one is a twentieth of it. */
export function loadsOf(
  counts: ItemCounts,
  quick: boolean,
): readonly (Load & { readonly group: string })[] {
  return (["1 to 1", "4 to 4"] as const).flatMap((shape) =>
    (["100 B", "10 KB"] as const).map((size) => ({
      group: groupTitle(shape, size),
      pairs: shapes[shape],
      size: sizes[size],
      itemsEach: Math.ceil(counts[size] / shapes[shape] / (quick ? 20 : 1)),
    })),
  );
}

export const mostPairs = Math.max(...Object.values(shapes));
