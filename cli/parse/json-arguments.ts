import { type Payload } from "../../client/typescript/payload.js";
import { UsageError } from "../usage-error.js";

/**
 * Arguments of a function: a JSON array, or an object. They go on as they were typed, so that numbers which JavaScript
 * would round keep all their digits.
 */
export function parseJsonArguments(option: string, text: string): Payload {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${option} takes JSON: ${reason}`, { cause: error });
  }
  if (typeof value !== "object" || value === null) {
    throw new UsageError(
      `${option} takes a JSON array of positional arguments such as '[1, "a"]', or an object; got ${text}`,
    );
  }
  return { data: Buffer.from(text), encoding: "json" };
}
