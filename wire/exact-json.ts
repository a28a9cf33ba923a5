/** Where values are, and what is to be done about those that JSON has no word for. */
export interface Place {
  /** Such as `the arguments`. */
  readonly whole: string;
  readonly advice: string;
}

/**
 * Values as JSON, exactly: what JSON.stringify would change in silence (bytes, maps, functions, errors, promises, NaN,
 * undefined in a list) or refuse (bigints) is a TypeError that says where it is. Dates and others with a `toJSON` are
 * what that gives. Undefined on its own is null.
 */
export function exactJson(value: unknown, { whole, advice }: Place): string {
  let isWhole = true;
  const text: unknown = JSON.stringify(
    value,
    function (this: unknown, key: string, member: unknown) {
      const problem = unsayable(this, key, member);
      // The first call is for the whole, under no key.
      const where = isWhole ? whole : `${key} of ${whole}`;
      isWhole = false;
      if (problem === undefined) return member;
      throw new TypeError(`JSON cannot say ${problem} (at ${where}): ${advice}`);
    },
  );
  return typeof text === "string" ? text : "null";
}

/** What JSON has no word for; undefined when all is well. `holder` still has the value before its `toJSON`. */
function unsayable(holder: unknown, key: string, value: unknown): string | undefined {
  const original: unknown =
    typeof holder === "object" && holder !== null ? Reflect.get(holder, key) : value;
  if (ArrayBuffer.isView(original) || original instanceof ArrayBuffer) return "bytes";
  if (original instanceof Map || original instanceof Set) return "a Map or Set";
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? undefined : `${value}`;
    case "undefined":
      // Members of objects that are undefined are left out, as everywhere in JavaScript.
      return Array.isArray(holder) ? "undefined" : undefined;
    case "bigint":
      return "a bigint";
    case "function":
    case "symbol":
      return `a ${typeof value}`;
    case "object":
      // One that says itself what it is in JSON is no such object any more.
      if (value instanceof Error) return "an Error";
      return value instanceof Promise ? "a Promise" : undefined;
    case "string":
    case "boolean":
      return undefined;
  }
}
