import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

/**
 * Randomness that differs between the children of one process. To be installed before any other module is loaded, so
 * that what they keep of these functions is right: `Math.random` has its state here and gets a new one in each child,
 * and what node:crypto draws ahead, for speed, is not drawn ahead. All else that is random comes from OpenSSL, which
 * notices a fork itself. (Contexts of node:vm have a `Math.random` of their own, out of reach: one made in a worker
 * begins as in its siblings.)
 */
export function installEntropy(): void {
  Math.random = random;
  const { randomUUID } = crypto;
  const uuid = (options?: crypto.RandomUUIDOptions): crypto.UUID =>
    randomUUID({ ...options, disableEntropyCache: true });
  crypto.randomUUID = uuid;
  Reflect.set(crypto, "randomInt", randomInt);
  // Not in all versions, and of the same make.
  const v7: unknown = Reflect.get(crypto, "randomUUIDv7");
  if (typeof v7 === "function") {
    Reflect.set(crypto, "randomUUIDv7", (options?: object): unknown => {
      const made: unknown = Reflect.apply(v7, crypto, [{ ...options, disableEntropyCache: true }]);
      return made;
    });
  }
  Object.defineProperty(Object.getPrototypeOf(globalThis.crypto), "randomUUID", {
    value: function (this: unknown): crypto.UUID {
      // The original refuses other receivers before anything else.
      if (this !== globalThis.crypto) throw new TypeError("Illegal invocation");
      return uuid();
    },
    configurable: true,
    enumerable: true,
    writable: true,
  });
  syncBuiltinESMExports();
  reseed();
}

let [a, b, c, d] = [1, 2, 3, 4];
const seed = new Int32Array(4);

/** In a new process, before anything asks for a random number. */
export function reseed(): void {
  crypto.randomFillSync(seed);
  [a = 1, b = 2, c = 3, d = 4] = seed;
  d |= 1; // All zero would stay so.
}

/** One step of xoshiro128+. */
function next(): number {
  const sum = (a + d) >>> 0;
  const shifted = b << 9;
  c ^= a;
  d ^= b;
  b ^= c;
  a ^= d;
  c ^= shifted;
  d = (d << 11) | (d >>> 21);
  return sum;
}

/** 53 bits, as V8's. */
function random(): number {
  return ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}

type IntCallback = (error: Error | null, value: number) => void;
const RANGE = 2 ** 48;
const drawn = Buffer.alloc(6);

/** As Node's, which draws many numbers ahead. */
function randomInt(
  first: number,
  second?: number | IntCallback,
  third?: IntCallback,
): number | undefined {
  const [min, max, callback] =
    typeof second === "number" ? [first, second, third] : [0, first, second];
  for (const [name, value] of [
    ["min", min],
    ["max", max],
  ] as const) {
    if (!Number.isSafeInteger(value)) {
      throw invalid(
        TypeError,
        "ERR_INVALID_ARG_TYPE",
        `The "${name}" argument must be a safe integer`,
      );
    }
  }
  const range = max - min;
  if (range <= 0)
    throw invalid(RangeError, "ERR_OUT_OF_RANGE", `"max" must be greater than ${min}`);
  if (range >= RANGE) {
    throw invalid(RangeError, "ERR_OUT_OF_RANGE", `"max - min" must be at most ${RANGE - 1}`);
  }
  const limit = RANGE - (RANGE % range);
  let value: number;
  do {
    crypto.randomFillSync(drawn);
    value = drawn.readUIntBE(0, 6);
  } while (value >= limit);
  const answer = (value % range) + min;
  if (callback === undefined) return answer;
  process.nextTick(callback, null, answer);
  return undefined;
}

function invalid(kind: ErrorConstructor, code: string, message: string): Error {
  return Object.assign(new kind(message), { code });
}
