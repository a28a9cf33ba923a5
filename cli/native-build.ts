import { execFile, spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Installation } from "./installation.js";

const NEEDED =
  "gcc or clang, make and a static C library (Debian: gcc make libc6-dev; Fedora: gcc make glibc-static; Alpine: gcc make musl-dev linux-headers)";

/** In the order in which they are built. */
const parts = ["keeper", "addon", "fork"] as const;

/**
 * Builds what is in C in its package, where the daemon prefers it to what came with that, and tries keeper and addon.
 * Yields what it does, a sentence for each step. Throws an Error that says what is missing.
 */
export async function* buildNative({ root, version }: Installation): AsyncGenerator<string> {
  try {
    await access(join(root, "dist"), constants.W_OK);
  } catch (error) {
    throw new Error(`${root} cannot be written to: build as the user who installed forkbus`, {
      cause: error,
    });
  }
  for (const part of parts) {
    yield `Building the ${part}`;
    await make(join(root, "server/native", part), "all");
  }
  yield "Building the fork of Node";
  await make(join(root, "server/native/zygote-addon"), "try");
  const directory = join(root, "dist/native");
  await tryKeeper(join(directory, "forkbus-keeper"), version);
  await tryAddon(join(directory, "forkbus.node"));
  yield `All are in ${directory}; forkbus serve uses them from its next start on`;
}

/** What it and the compiler say goes to stderr. */
function make(directory: string, target: "all" | "try"): Promise<void> {
  const args = ["--silent", "-C", directory, target, `NODE=${process.execPath}`];
  const child = spawn("make", args, { stdio: ["ignore", 2, 2] });
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => {
      reject(new Error(`make cannot be run; building needs ${NEEDED}`, { cause }));
    });
    child.once("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`make failed in ${directory}; building needs ${NEEDED}`));
    });
  });
}

async function tryKeeper(path: string, version: string): Promise<void> {
  const { stdout } = await promisify(execFile)(path, ["--version"]);
  if (stdout.startsWith(`forkbus-keeper ${version} `)) return;
  throw new Error(`${path} is not the keeper of version ${version}, but ${stdout.trim()}`);
}

/** In a process of its own: an addon that crashes must not take us with it. */
async function tryAddon(path: string): Promise<void> {
  await promisify(execFile)(process.execPath, ["-e", "require(process.argv[1])", path]);
}
