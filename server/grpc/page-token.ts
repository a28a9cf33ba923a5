import { createHash } from "node:crypto";
import { DomainError } from "../core/errors.js";

const DEFAULT_PAGE_SIZE = 100;
export const MAX_PAGE_SIZE = 1000;

export function pageSize(asked: number): number {
  return asked === 0 ? DEFAULT_PAGE_SIZE : Math.min(asked, MAX_PAGE_SIZE);
}

/**
 * Where the next page of a list begins: after a name, for the filter that the first page had. Opaque
 * to clients. `filter` is anything that JSON can tell apart.
 */
export function encodePageToken(filter: unknown, lastName: string | null): string {
  if (lastName === null) return "";
  return Buffer.from(JSON.stringify([digest(filter), lastName])).toString("base64url");
}

/** The name to go on after; empty on the first page. DomainError `page-token-invalid`. */
export function decodePageToken(filter: unknown, token: string): string {
  if (token === "") return "";
  const parts = parse(token);
  if (parts?.[0] !== digest(filter)) {
    throw new DomainError("page-token-invalid", "The page token is malformed, or of another query");
  }
  return parts[1];
}

function parse(token: string): readonly [filter: string, lastName: string] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(token, "base64url").toString());
  } catch {
    return undefined;
  }
  if (!isArray(value)) return undefined;
  const [filter, lastName] = value;
  if (typeof filter !== "string" || typeof lastName !== "string") return undefined;
  return [filter, lastName];
}

/** Array.isArray says `any[]`. */
function isArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function digest(filter: unknown): string {
  return createHash("sha256").update(JSON.stringify(filter)).digest("base64url").slice(0, 16);
}
