import { type Screen } from "../screen.js";
import { bytesJson } from "./item-json.js";
import { jsonLine } from "./json.js";

/** What stands after an item: a newline, a NUL or nothing; or a line of JSON in its place. */
export type ItemFormat = "line" | "nul" | "raw" | "json";

export function itemWriter(
  screen: Screen,
  format: ItemFormat,
): (item: Uint8Array) => Promise<void> {
  return (item) => screen.out(formatItem(item, format));
}

export function formatItem(item: Uint8Array, format: ItemFormat): string | Uint8Array {
  switch (format) {
    case "line":
      return Buffer.concat([item, Buffer.from("\n")]);
    case "nul":
      return Buffer.concat([item, Buffer.from("\0")]);
    case "raw":
      return item;
    case "json":
      return jsonLine(bytesJson(item));
  }
}
