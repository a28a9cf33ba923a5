import { constants, accessSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { CreateProcessRequest } from "../../../proto/gen/forkbus/v1/process.js";
import { HARMLESS } from "./plausible-values.js";

const CREATE = "/forkbus.v1.ProcessService/CreateProcess";

/**
 * Whether a request may be sent: a mutant must not start a program of this machine that does
 * something. It is read by the decoder that the daemon has.
 */
export function isHarmless(path: string, bytes: Uint8Array): boolean {
  if (path !== CREATE) return true;
  const spec = decoded(bytes)?.process?.spec;
  if (spec?.target === undefined) return true;
  // What a function does nobody can tell from its name.
  if (spec.target.$case !== "exec") return false;
  const exec = spec.target.value;
  const program = exec.path === "" ? (exec.argv[0] ?? "") : exec.path;
  return candidates(program, spec.env["PATH"], spec.workingDir).every(
    (file) => HARMLESS.some((harmless) => isSameFile(harmless, file)) || !isExecutable(file),
  );
}

function decoded(bytes: Uint8Array): CreateProcessRequest | undefined {
  try {
    return CreateProcessRequest.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The files that the keeper may find for the program. */
function candidates(program: string, ownPath: string | undefined, directory: string): string[] {
  // The kernel takes no longer paths.
  if (program === "" || program.length > 4095 || program.includes("\0")) return [];
  const inDirectory = (file: string): string =>
    file.startsWith("/") ? file : join(directory === "" ? "/" : directory, file);
  if (program.includes("/")) return [inDirectory(program)];
  const paths = [ownPath, process.env["PATH"], "/usr/local/bin:/bin:/usr/bin"];
  const directories = paths.flatMap((path) => path?.split(":") ?? []);
  return directories.map((each) => inDirectory(join(each, program)));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function isSameFile(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return false;
  }
}
