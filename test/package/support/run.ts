import { execFile } from "node:child_process";

export interface RunResult {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number;
}

/** Runs a program to its end, whatever that is, in this environment alone. */
export function run(
  program: string,
  args: readonly string[],
  { uid, ...options }: RunOptions,
): Promise<RunResult> {
  const identity = uid === undefined ? {} : { uid, gid: uid };
  return new Promise((resolve) => {
    execFile(program, args, { ...options, ...identity }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.message), stdout, stderr });
    });
  });
}
