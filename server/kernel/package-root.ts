import { createRequire } from "node:module";
import { dirname } from "node:path";

/** The directory of forkbus's own package.json, whether this file runs compiled or from its source. */
export const packageRoot: string = dirname(
  createRequire(import.meta.url).resolve("forkbus/package.json"),
);
