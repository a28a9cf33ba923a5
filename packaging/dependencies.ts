import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { isAllowed } from "./licences.js";

/** A package that npm installs beside forkbus. */
export interface Dependency {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression. */
  readonly licence: string;
  /** The texts that it brings; empty when it brings none. */
  readonly text: string;
}

const lockFile = z.object({
  packages: z.record(
    z.string(),
    z.object({ dev: z.boolean().default(false), optional: z.boolean().default(false) }),
  ),
});

const manifest = z.object({ name: z.string(), version: z.string(), license: z.string() });

/**
 * Everything that an installation without development brings, by name and version, as locked and installed in `root`.
 * Throws when one has no licence, or one that we do not allow.
 */
export function readDependencies(root: string): readonly Dependency[] {
  const { packages } = lockFile.parse(readJson(join(root, "package-lock.json")));
  const found = new Map<string, Dependency>();
  for (const [path, { dev, optional }] of Object.entries(packages)) {
    // An optional one is for some platforms, and may not be installed on this one.
    if (path === "" || dev || optional) continue;
    const dependency = readDependency(join(root, path));
    found.set(`${dependency.name}@${dependency.version}`, dependency);
  }
  return [...found].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, each]) => each);
}

function readDependency(directory: string): Dependency {
  const parsed = manifest.safeParse(readJson(join(directory, "package.json")));
  if (!parsed.success) {
    throw new Error(`No licence is named in ${directory}`, { cause: parsed.error });
  }
  const { name, version, license: licence } = parsed.data;
  if (!isAllowed(licence)) {
    throw new Error(`${name} ${version} has the licence ${licence}, which is not in the list`);
  }
  const texts = readdirSync(directory)
    .filter((file) => /^(licen[cs]e|copying|notice)\b/i.test(file))
    .sort()
    .map((file) => readText(join(directory, file)));
  return { name, version, licence, text: texts.join("\n\n") };
}

/** Without differences that only bytes show. */
export function readText(path: string): string {
  return readFileSync(path, "utf8")
    .replace(/\r\n/g, "\n")
    .replace(/[ \t]+$/gm, "")
    .trim();
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, "utf8"));
}
