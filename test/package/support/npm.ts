import { type ExecFileException, execFile, execFileSync } from "node:child_process";
import { accessSync, constants, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";
import { packageRoot } from "../../../server/kernel/package-root.js";

/** How npm names that it reaches no registry, and has not what it would have got from there. */
const UNREACHABLE =
  /npm error code (ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONN\w+|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|E5\d\d)/;

export class RegistryUnreachable extends Error {
  override readonly name = "RegistryUnreachable";
}

/** npm with the user's own registry and cache, in a directory and an environment that hold nothing else of theirs. */
export class Npm {
  readonly #program = npmProgram();
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: Readonly<Record<string, string>>) {
    this.#env = {
      ...env,
      npm_config_userconfig: this.#configured("userconfig"),
      // It would be looked for under another --prefix.
      npm_config_globalconfig: this.#configured("globalconfig"),
      npm_config_cache: this.#configured("cache"),
      npm_config_update_notifier: "false",
    };
  }

  /** What it writes to stdout. Throws RegistryUnreachable, or what npm says went wrong. */
  run(directory: string, args: readonly string[]): Promise<string> {
    const options = { cwd: directory, env: this.#env, maxBuffer: 64 << 20 };
    return new Promise((resolve, reject) => {
      execFile(
        process.execPath,
        [this.#program, ...args],
        options,
        (error: ExecFileException | null, stdout: string, stderr: string) => {
          if (error === null) resolve(stdout);
          else reject(failure(args, error, stderr));
        },
      );
    });
  }

  #configured(key: string): string {
    const args = [this.#program, "config", "get", key];
    const stdio: ["ignore", "pipe", "ignore"] = ["ignore", "pipe", "ignore"];
    return execFileSync(process.execPath, args, {
      cwd: packageRoot,
      encoding: "utf8",
      stdio,
    }).trim();
  }
}

function failure(args: readonly string[], cause: ExecFileException, stderr: string): Error {
  return UNREACHABLE.test(stderr)
    ? new RegistryUnreachable("npm reaches no registry", { cause })
    : new Error(`npm ${args[0] ?? ""} failed: ${stderr}`, { cause });
}

/** The script that the `npm` of this PATH is. */
function npmProgram(): string {
  for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
    try {
      const path = realpathSync(join(directory, "npm"));
      accessSync(path, constants.R_OK);
      return path;
    } catch {
      // Not in this one.
    }
  }
  throw new Error("There is no npm in the PATH");
}
