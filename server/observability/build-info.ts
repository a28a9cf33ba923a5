import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../kernel/package-root.js";

export interface BuildInfo {
  /** Of package.json. */
  readonly version: string;
}

export function buildInfo(): BuildInfo {
  const path = join(packageRoot, "package.json");
  const parsed: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (typeof parsed !== "object" || parsed === null || !("version" in parsed)) {
    throw new Error(`No version in ${path}`);
  }
  const { version } = parsed;
  if (typeof version !== "string") throw new Error(`The version in ${path} is no text`);
  return { version };
}
