import { z } from "zod";
import { parseProcessUid } from "../core/ids.js";
import { type TemplateRecord, type TemplateStore } from "../templates/template-record.js";
import { type TemplateSpec } from "../templates/template-spec.js";
import { type UnreadableEntry } from "./kept-processes.js";
import { type KeyedStore } from "./keyed-store.js";
import { decodeValue, encodeValue } from "./process-codec.js";

const TEMPLATE = "template/";

const uid = z.string().transform((text, context) => {
  const parsed = parseProcessUid(text);
  if (parsed !== undefined) return parsed;
  context.addIssue("No uid");
  return z.NEVER;
});

const init = z.object({
  function: z.string(),
  arguments: z.object({ encoding: z.string(), bytes: z.number(), digest: z.string() }),
  resultEncoding: z.string(),
  data: z.base64().transform((text) => new Uint8Array(Buffer.from(text, "base64"))),
});

const spec = z.object({
  runtime: z.enum(["python", "node"]),
  interpreter: z.string().nullable(),
  parent: z.string().nullable(),
  preload: z.array(z.string()),
  init: init.nullable(),
  env: z.record(z.string(), z.string()),
  workingDir: z.string().nullable(),
  runAs: z.string().nullable(),
  preloadTimeoutMs: z.number(),
  warmWorkers: z.number(),
  modulePath: z.array(z.string()),
  keepFds: z.array(z.string()),
});

const recordSchema = z.object({
  uid: z.string(),
  name: z.string(),
  builtIn: z.boolean(),
  owner: z.string(),
  labels: z.record(z.string(), z.string()),
  spec,
  requestId: z.string().nullable(),
  createTimeMs: z.number(),
  revision: z.number(),
  generation: z.number(),
  former: z.object({ generation: z.number(), spec }).nullable().default(null),
  zygotes: z.array(z.object({ uid, generation: z.number() })),
  deleted: z.boolean(),
});

/** Templates in the keyed store: `template/NAME`. */
export class KeptTemplates implements TemplateStore {
  readonly #store: KeyedStore;

  constructor(store: KeyedStore) {
    this.#store = store;
  }

  recover(): {
    readonly records: readonly TemplateRecord[];
    readonly unreadable: readonly UnreadableEntry[];
  } {
    const records: TemplateRecord[] = [];
    const unreadable: UnreadableEntry[] = [];
    for (const [key, value] of this.#store.entries) {
      if (!key.startsWith(TEMPLATE)) continue;
      try {
        records.push(decodeValue(recordSchema, value));
      } catch (error) {
        unreadable.push({ key, error });
      }
    }
    return { records, unreadable };
  }

  save(record: TemplateRecord): Promise<void> {
    const { spec: newest, former } = record;
    const value = {
      ...record,
      spec: textOf(newest),
      former: former === null ? null : { ...former, spec: textOf(former.spec) },
    };
    return this.#store.batch([
      { kind: "put", key: TEMPLATE + record.name, value: encodeValue(value) },
    ]);
  }

  remove(name: string): Promise<void> {
    return this.#store.batch([{ kind: "delete", key: TEMPLATE + name }]);
  }
}

/** With the arguments of its init as text. */
function textOf({ init: call, ...rest }: TemplateSpec): object {
  if (call === null) return { ...rest, init: null };
  return { ...rest, init: { ...call, data: Buffer.from(call.data).toString("base64") } };
}
