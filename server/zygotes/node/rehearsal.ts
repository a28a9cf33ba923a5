import { fileURLToPath } from "node:url";
import { decodeArguments, encodeResult, resolveFunction } from "./function-call.js";
import { ModuleLoader } from "./module-loader.js";
import { specialise } from "./specialise.js";
import {
  parseSpecification,
  type Specification,
  type WorkerSpecification,
} from "./specification.js";

/** Of nobody's environment. */
const VARIABLE = "FORKBUS_REHEARSAL";

/**
 * Goes once through what every worker goes through at its start, to no effect, in the process that workers are forked
 * from: what V8 and Node prepare at the first use of a function is then prepared for all of them.
 */
export async function rehearse(specification: Specification): Promise<void> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) env[name] = value ?? "";
  const worker = {
    ...specification,
    kind: "worker",
    env,
    workingDir: process.cwd(),
    // The old one, which is set again below.
    umask: process.umask(0o077),
    cpus: null,
    rlimits: [],
    init: null,
    target: {
      function: `${fileURLToPath(import.meta.url)}#play`,
      encoding: "json",
      resultEncoding: "json",
    },
  };
  const text = Buffer.from(JSON.stringify(worker));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  const parsed = parseSpecification(Buffer.concat([length, text, Buffer.from("[1]")]));
  if (parsed.kind !== "worker") return;
  specialise({ ...parsed, env: { ...env, [VARIABLE]: "1" } });
  specialise(parsed);
  await call(parsed);
}

async function call({ target, arguments: bytes }: WorkerSpecification): Promise<void> {
  const play = await resolveFunction(new ModuleLoader(), target.function, []);
  const value = await play(...decodeArguments(target.encoding, bytes));
  encodeResult(target.resultEncoding, value);
}

/** The part of a target. */
export function play(value: unknown): unknown {
  return value;
}
