import { z } from "zod";

/** How a program puts items: one call for many, or a call for each that is awaited before the next. */
export const putWay = z.enum(["putMany", "put"]);
/** How a program gets items: one at a time out of a loop, many at once, or a call for each. */
export const getWay = z.enum(["for await", "getMany", "get"]);

export type PutWay = z.infer<typeof putWay>;
export type GetWay = z.infer<typeof getWay>;

/** Items that a program hands to one putMany: what it has at hand, at most a megabyte. */
export function chunkItems(size: number): number {
  return Math.max(1, Math.min(1000, Math.floor(1_000_000 / size)));
}
