/** What a worker inherits of the daemon's own environment: where it is, not what it knows. */
const INHERITED = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"];

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function baseEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const base: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const name of INHERITED) {
    const value = env[name];
    if (value !== undefined && value !== "") base[name] = value;
  }
  return base;
}
