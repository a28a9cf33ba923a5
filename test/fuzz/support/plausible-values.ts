import { type DescEnum, type DescField, ScalarType } from "@bufbuild/protobuf";
import { type Random } from "./random.js";

/** What there is in the daemon, for requests that are about it. */
export interface Known {
  readonly processes: readonly Resource[];
  readonly queues: readonly Resource[];
  readonly templates: readonly Resource[];
  readonly subscriptions: readonly string[];
  /** A new one each time. */
  freshName(): string;
}

export interface Resource {
  readonly name: string;
  readonly uid: string;
}

/** The only programs that a request may name and that exist. */
export const HARMLESS = ["/bin/true", "/bin/false"] as const;

/** The only functions that a request may name, in Python and in Node; some do not exist. */
export const HARMLESS_FUNCTIONS = [
  "gc:collect",
  "no_such_module:f",
  "node:path#join",
  "no-such-package#f",
] as const;

type Choose = (random: Random, known: Known, field: DescField) => unknown;

const resources = (known: Known, { parent }: DescField): readonly Resource[] => {
  if (parent.file.name.includes("queue")) return known.queues;
  return parent.file.name.includes("template") ? known.templates : known.processes;
};

const someName: Choose = (random, known, field) => random.pick(resources(known, field)).name;

const programs: Choose = (random) => random.pick([...HARMLESS, "true", "/no/such/program"]);

const waitMs: Choose = (random) => random.pick([0, 0, 1, 5, 20]);

const text =
  (...choices: readonly string[]): Choose =>
  (random) =>
    random.pick(choices);

/** Of what seldom goes together with the rest. */
const rarely = (random: Random, choices: readonly string[]): string =>
  random.chance(0.2) ? random.pick(choices) : "";

/** By the field's name, whatever its message: one name means one thing in this API. */
const byName: Readonly<Record<string, Choose | undefined>> = {
  name: (random, known, field) => {
    const isNew = field.parent.field["spec"] !== undefined && random.chance(0.8);
    return isNew ? known.freshName() : someName(random, known, field);
  },
  names: someName,
  queue: someName,
  template: (random, known) =>
    rarely(random, ["python", "node", random.pick(known.templates).name]),
  parent: (random, known) => rarely(random, [random.pick(known.templates).name]),
  fork_from: (random, known) => rarely(random, [random.pick(known.processes).name]),
  name_prefix: text("", "fuzz", "fuzz/", "f"),
  uid: (random, known, field) =>
    random.chance(0.5) ? "" : random.pick(resources(known, field)).uid,
  subscription_id: (random, known) => random.pick(["", ...known.subscriptions]),
  request_id: (random) => (random.chance(0.5) ? "" : `request-${random.below(20)}`),
  path: (random, known, field) => (random.chance(0.8) ? "" : programs(random, known, field)),
  argv: programs,
  working_dir: text("", "/", "/tmp", "/no/such/directory"),
  interpreter: text("", "", "", "/bin/false", "/no/such/program"),
  function: text(...HARMLESS_FUNCTIONS),
  preload: text("math", "node:path", "no_such_module"),
  module_path: text("/no/such/directory"),
  main_file: text("", "/no/such/file.py"),
  encoding: text("", "json", "pickle", "raw"),
  result_encoding: text("", "json", "pickle", "raw"),
  user: text("root", "root", "0", "nobody"),
  resource: text("RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_CPU"),
  signal: text("TERM", "SIGTERM", "CONT", "15", "WINCH", "SIGURG"),
  page_token: text("", "WyIiLCJhIl0"),
  service: text("", "forkbus.v1.QueueService", "grpc.health.v1.Health"),
  file_by_filename: text("forkbus/v1/queue.proto", "google/protobuf/timestamp.proto"),
  file_containing_symbol: text("forkbus.v1.Queue", "forkbus.v1.QueueService.Put", "grpc.health.v1"),
  containing_type: text("forkbus.v1.Frame"),
  all_extension_numbers_of_type: text("forkbus.v1.Frame"),
  wait_ms: waitMs,
  grace_ms: waitMs,
  max_bytes: (random) => random.pick([0, 65_536, 4_000_000]),
  max_items: (random) => random.pick([0, 1, 1000]),
  // Of a frame, where it is not known or is the number of items, and of CPUs.
  count: (random) => random.pick([0, 0, 1]),
  soft: (random) => random.below(100),
  hard: () => 1000,
  umask: (random) => random.pick([0, 0o22, 0o777]),
  cpus: (random) => random.below(2),
  warm_workers: (random) => random.pick([0, 0, 0, 1, 2]),
  preload_timeout_ms: (random) => random.pick([0, 0, 1, 5000]),
};

export function plausibleScalar(
  random: Random,
  known: Known,
  field: DescField,
  type: ScalarType,
): unknown {
  const choose = type === ScalarType.BYTES ? undefined : byName[field.name];
  if (choose !== undefined) {
    const value = choose(random, known, field);
    return typeof value === "number" && isLong(type) ? BigInt(value) : value;
  }
  switch (type) {
    case ScalarType.STRING:
      return random.pick(["a", "b", "key", "value"]);
    case ScalarType.BYTES:
      return random.bytes(random.below(30));
    case ScalarType.BOOL:
      return random.chance(0.5);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return BigInt(random.below(random.pick([2, 10, 100_000])));
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return random.below(random.pick([2, 10, 1000]));
  }
}

function isLong(type: ScalarType): boolean {
  return type === ScalarType.INT64 || type === ScalarType.UINT64;
}

export function plausibleEnum(random: Random, { values, name }: DescEnum): number {
  // The one that has no default.
  return random.pick(name === "Runtime" ? values.slice(1) : values).number;
}
