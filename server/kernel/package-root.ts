import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The directory of forkbus's own package.json, whether this file runs compiled or from its source. */
export const packageRoot: string = findPackageRoot(dirname(fileURLToPath(import.meta.url)));

function findPackageRoot(start: string): string {
  for (let directory = start; ; directory = dirname(directory)) {
    if (packageName(join(directory, "package.json")) === "forkbus") return directory;
    if (directory === dirname(directory)) {
      throw new Error(`No package.json of forkbus in ${start} or above`);
    }
  }
}

function packageName(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const parsed: unknown = JSON.parse(text);
  return typeof parsed === "object" && parsed !== null && "name" in parsed
    ? parsed.name
    : undefined;
}
