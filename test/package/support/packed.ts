import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { Npm, RegistryUnreachable } from "./npm.js";

const packReport = z.tuple([
  z.object({
    filename: z.string(),
    files: z.array(z.object({ path: z.string(), mode: z.number() })),
  }),
]);

/** The package as a user gets it, made once for all tests of it, on a host that has Node.js and nothing else. */
export interface Packed {
  /** A directory that anybody may read; removed after the last test. */
  readonly place: string;
  readonly tarball: string;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
  /** A HOME without files, and a PATH with node alone. */
  readonly env: Readonly<Record<string, string>>;
  readonly npm: Npm;
}

/** What is installed by `npm install -g`. */
export interface Installed {
  /** Of the package. */
  readonly root: string;
  readonly forkbus: string;
}

let packed: Promise<Packed> | undefined;
let installed: Promise<Installed> | undefined;
let project: Promise<string> | undefined;
const places: string[] = [];

after(() => {
  for (const place of places) rmSync(place, { recursive: true, force: true });
});

export function pack(): Promise<Packed> {
  packed ??= makePackage();
  return packed;
}

/** Skips the test, with one line about it, where no registry is reached; in CI that is a failure. */
export function installGlobally(test: Mocha.Context): Promise<Installed> {
  installed ??= installInPrefix();
  return unlessUnreachable(test, installed);
}

/** A TypeScript project that depends on the package: its directory. */
export function installInProject(test: Mocha.Context): Promise<string> {
  project ??= makeProject();
  return unlessUnreachable(test, project);
}

async function makePackage(): Promise<Packed> {
  const place = mkdtempSync(join(tmpdir(), "forkbus-package-"));
  places.push(place);
  chmodSync(place, 0o755);
  const path = join(place, "bin");
  for (const directory of [path, join(place, "home")]) mkdirSync(directory);
  symlinkSync(process.execPath, join(path, "node"));
  const env = { HOME: join(place, "home"), PATH: path };
  const npm = new Npm(env);
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", place];
  const [{ filename, files }] = packReport.parse(JSON.parse(await npm.run(packageRoot, args)));
  return { place, tarball: join(place, filename), files, env, npm };
}

// No script of any dependency is needed, as in installations that allow none.
const install = ["install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];

async function installInPrefix(): Promise<Installed> {
  const { place, tarball, npm } = await pack();
  const prefix = join(place, "prefix");
  await npm.run(place, [...install, "--global", "--prefix", prefix, tarball]);
  return {
    root: join(prefix, "lib/node_modules/forkbus"),
    forkbus: join(prefix, "bin/forkbus"),
  };
}

async function makeProject(): Promise<string> {
  const { place, tarball, npm } = await pack();
  const directory = join(place, "project");
  mkdirSync(directory);
  const manifest = { name: "consumer", version: "1.0.0", private: true, type: "module" };
  writeFileSync(join(directory, "package.json"), JSON.stringify(manifest));
  await npm.run(directory, [...install, tarball]);
  return directory;
}

let isTold = false;

async function unlessUnreachable<T>(test: Mocha.Context, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof RegistryUnreachable) || process.env["CI"] === "true") throw error;
    if (!isTold) {
      process.stderr.write(
        "npm reaches no registry: the tests of the installed package are skipped\n",
      );
    }
    isTold = true;
    return test.skip();
  }
}
