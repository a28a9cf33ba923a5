import { createRequire } from "node:module";

export interface BuildInfo {
  /** Of package.json. */
  readonly version: string;
}

export function buildInfo(): BuildInfo {
  const manifest: unknown = createRequire(import.meta.url)("forkbus/package.json");
  if (typeof manifest !== "object" || manifest === null || !("version" in manifest)) {
    throw new Error("No version in the package.json of forkbus");
  }
  const { version } = manifest;
  if (typeof version !== "string") throw new Error("The version in package.json is no text");
  return { version };
}
