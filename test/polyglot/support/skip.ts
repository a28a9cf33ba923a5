import assert from "node:assert/strict";
import { type Context } from "mocha";

/**
 * Leaves a test out, in one line that says why: a user's machine need not have everything. Where all
 * must be there, it is a failure.
 */
export function skip(context: Context, what: string, why: string): never {
  assert.notEqual(process.env["CI"], "true", `${what}: ${why}`);
  if (context.test !== undefined) context.test.title = `skipped ${what}: ${why}`;
  return context.skip();
}
