import { UsageError } from "../usage-error.js";

/** One kernel limit; `undefined` is unlimited. */
export interface ResourceLimit {
  /** The kernel's name, such as `RLIMIT_NOFILE`. */
  readonly resource: string;
  readonly soft: bigint | undefined;
  readonly hard: bigint | undefined;
}

const resources = new Set(
  (
    "AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME " +
    "SIGPENDING STACK"
  ).split(" "),
);
const highest = (1n << 64n) - 1n;

/** `nofile=1024` sets both limits, `nofile=1024:2048` soft and hard; either may be `unlimited`. */
export function parseResourceLimit(text: string): ResourceLimit {
  const match = /^(?:RLIMIT_)?([A-Z]+)=([^:]+)(?::([^:]+))?$/i.exec(text);
  const name = match?.[1]?.toUpperCase();
  const softText = match?.[2];
  if (name === undefined || softText === undefined) {
    throw new UsageError(
      `--rlimit takes NAME=SOFT[:HARD], such as nofile=1024:2048; got "${text}"`,
    );
  }
  if (!resources.has(name)) {
    const known = [...resources].join(", ").toLowerCase();
    throw new UsageError(`There is no resource limit "${name.toLowerCase()}"; there are ${known}`);
  }
  const soft = parseAmount(softText, text);
  const hardText = match?.[3];
  const hard = hardText === undefined ? soft : parseAmount(hardText, text);
  if (hard !== undefined && (soft === undefined || soft > hard)) {
    throw new UsageError(`The soft limit of --rlimit ${text} is above the hard limit`);
  }
  return { resource: `RLIMIT_${name}`, soft, hard };
}

function parseAmount(text: string, whole: string): bigint | undefined {
  if (text.toLowerCase() === "unlimited") return undefined;
  const amount = /^\d{1,20}$/.test(text) ? BigInt(text) : highest + 1n;
  if (amount > highest) {
    throw new UsageError(`A limit of --rlimit ${whole} is neither a number nor "unlimited"`);
  }
  return amount;
}
