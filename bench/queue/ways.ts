import { z } from "zod";

/** How a program puts items: many by one call, or a call for each that is awaited before the next. */
export const putWay = z.enum(["putMany", "await put"]);
/** How a program gets items: one after the other from a loop, as many as there are by each call, or by a call for each. */
export const getWay = z.enum(["for await", "getMany", "await get"]);

export type PutWay = z.infer<typeof putWay>;
export type GetWay = z.infer<typeof getWay>;
