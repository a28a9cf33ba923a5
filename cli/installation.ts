import { createRequire } from "node:module";
import { dirname } from "node:path";

/** The package that this program is part of. */
export interface Installation {
  readonly root: string;
  readonly version: string;
}

export function installation(): Installation {
  const require = createRequire(import.meta.url);
  const manifest: unknown = require("forkbus/package.json");
  if (
    typeof manifest !== "object" ||
    manifest === null ||
    !("version" in manifest) ||
    typeof manifest.version !== "string"
  ) {
    throw new Error("No version in the package.json of forkbus");
  }
  return { root: dirname(require.resolve("forkbus/package.json")), version: manifest.version };
}
