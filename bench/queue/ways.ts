import { z } from "zod";

/** How a program puts items: all by one call, a call for each without waiting for the one before, or with. */
export const putWay = z.enum(["putMany", "put", "await put"]);
/** How a program gets items: one after the other from a loop, in batches from a loop, or by a call for each. */
export const getWay = z.enum(["for await", "batches", "await get"]);

export type PutWay = z.infer<typeof putWay>;
export type GetWay = z.infer<typeof getWay>;
