import assert from "node:assert/strict";
import fc from "fast-check";
import {
  functionOrder,
  liveForkOrder,
  type OrderContext,
  programOrder,
} from "../../../server/processes/birth-order.js";
import type { Recipe, Source } from "../../../server/processes/fork-servers.js";
import type { BirthOrder } from "../../../server/processes/keeper.js";
import {
  encodeSpecification,
  type WorkerSpecification,
} from "../../../server/processes/specification.js";
import type { FunctionTarget } from "../../../server/processes/target.js";
import { RECIPE } from "../../support/fake-fork-servers.js";
import { functionOf } from "../templates/fixture.js";
import { recordOf, specOf, uidOf } from "./fixture.js";

const CONTEXT: OrderContext = {
  baseEnvironment: { PATH: "/bin", FORKBUS_PROCESS_ID: "of somebody else" },
  user: { uid: 7, gid: 8 },
  limits: ["pids.max=5"],
};
const RECIPE_OF_APP: Recipe = {
  ...RECIPE,
  env: { PATH: "/app/bin", OMP_NUM_THREADS: "9" },
  workingDir: "/app",
  modulePath: ["/app/lib"],
  preload: ["numpy"],
  init: {
    function: "app:warm",
    arguments: { encoding: "raw", bytes: 2, digest: "x" },
    resultEncoding: "json",
    data: new Uint8Array([0, 255]),
  },
};
const TARGET: FunctionTarget = functionOf("app", {
  arguments: { encoding: "pickle", bytes: 3, digest: "y" },
  modulePath: ["/mine"],
  mainFile: "/mine/main.py",
});
const ARGUMENTS = new Uint8Array([1, 2, 3]);
const STARTING = {
  kind: "starting",
  stop: null,
  keeper: { instance: "k", bootId: "b", pidNamespace: 1n },
} as const;

function record(
  patch: Parameters<typeof specOf>[0] = {},
  placement: readonly number[] | null = [0, 2],
) {
  const spec = specOf({
    target: TARGET,
    workingDir: null,
    rlimits: [{ resource: "RLIMIT_NOFILE", soft: 5n, hard: null }],
    umask: 0o077,
    ...patch,
  });
  return recordOf(STARTING, { name: "resize-1", spec, placement });
}

/** What the worker reads: the text, and its arguments. */
function read(order: BirthOrder): {
  readonly told: WorkerSpecification;
  readonly args: Uint8Array;
} {
  const bytes = order.specification ?? assert.fail("nothing is told");
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const told = JSON.parse(
    new TextDecoder().decode(bytes.subarray(4, 4 + length)),
  ) as WorkerSpecification;
  return { told, args: bytes.subarray(4 + length) };
}

function source(kind: Source["kind"]): Source {
  const from = { recipe: RECIPE_OF_APP, generation: 3 };
  if (kind === "fork") return { kind, server: uidOf(9), ...from };
  return kind === "go" ? { kind, forked: true, ...from } : { kind, ...from };
}

const CALL = { function: "app:main", encoding: "pickle", resultEncoding: "json" };

describe("the order for a function", () => {
  it("tells a forked worker all that it has to become", () => {
    const order = functionOrder(record(), TARGET, ARGUMENTS, source("fork"), CONTEXT);
    assert.ok(order.kind === "fork");
    assert.deepEqual([order.server, order.limits], [uidOf(9), ["pids.max=5"]]);
    const { told, args } = read(order);
    assert.deepEqual(args, ARGUMENTS);
    assert.deepEqual(told, {
      kind: "worker",
      id: uidOf(1),
      name: "resize-1",
      title: "forkbus: resize-1",
      target: CALL,
      mainPath: "/mine/main.py",
      forkLibrary: "/lib/fork.so",
      env: told.env,
      inherit: false,
      workingDir: "/app",
      umask: 0o077,
      cpus: [0, 2],
      rlimits: [[7, "5", null]],
      searchPath: ["/mine"],
      preload: [],
      init: null,
    });
    assert.equal(told.env?.["PATH"], "/app/bin", "the template's before the daemon's");
    assert.equal(told.env["OMP_NUM_THREADS"], "9");
    assert.equal(told.env["MKL_NUM_THREADS"], "2", "as many threads as it has CPUs");
    assert.equal(told.env["FORKBUS_PROCESS_ID"], uidOf(1));
    assert.equal(Object.keys(told.env)[0], "FORKBUS_PROCESS_ID", "where a keeper looks for it");
  });

  it("tells one that waits the same", () => {
    const fork = functionOrder(record(), TARGET, ARGUMENTS, source("fork"), CONTEXT);
    const go = functionOrder(record(), TARGET, ARGUMENTS, source("go"), CONTEXT);
    assert.equal(go.kind, "go");
    assert.deepEqual(go.specification, fork.specification);
  });

  it("has a fresh one loaded first, and leaves to the keeper what the keeper does", () => {
    const order = functionOrder(record(), TARGET, ARGUMENTS, source("spawn"), CONTEXT);
    assert.ok(order.kind === "spawn");
    assert.deepEqual([order.path, order.argv], ["python3", ["python3", "/zygote/main.py"]]);
    assert.deepEqual([order.workingDir, order.umask, order.cpus], ["/app", 0o077, [0, 2]]);
    assert.deepEqual([order.user, order.rlimits], [CONTEXT.user, record().spec.rlimits]);
    const { told } = read(order);
    assert.deepEqual([told.env, told.workingDir, told.umask, told.cpus], [null, null, null, null]);
    assert.deepEqual([told.rlimits, told.preload], [[], ["numpy"]]);
    assert.deepEqual(told.searchPath, ["/mine", "/app/lib"]);
    assert.deepEqual(told.init, {
      function: "app:warm",
      encoding: "raw",
      resultEncoding: "json",
      data: "AP8=",
    });
  });

  it("leaves a fork of a live worker the surroundings that it has", () => {
    const order = liveForkOrder(record(), TARGET, ARGUMENTS, uidOf(9), null, []);
    assert.ok(order.kind === "fork");
    const { told } = read(order);
    assert.deepEqual([told.inherit, told.workingDir, told.forkLibrary], [true, null, null]);
    assert.deepEqual(Object.keys(told.env ?? {}).sort(), [
      "FORKBUS_PROCESS",
      "FORKBUS_PROCESS_ID",
      "MKL_NUM_THREADS",
      "NUMEXPR_NUM_THREADS",
      "OMP_NUM_THREADS",
      "OPENBLAS_NUM_THREADS",
    ]);
  });

  it("has the process's own directory and variables before the template's", () => {
    const own = record({ workingDir: "/own", env: { PATH: "/own/bin", FORKBUS_PROCESS: "fake" } });
    for (const kind of ["fork", "go", "spawn"] as const) {
      const order = functionOrder(own, TARGET, ARGUMENTS, source(kind), CONTEXT);
      const made = order.kind === "spawn" ? order : read(order).told;
      assert.equal(made.workingDir, "/own");
      assert.equal(made.env?.["PATH"], "/own/bin");
      assert.equal(made.env["FORKBUS_PROCESS"], "resize-1", "nobody gives it another name");
    }
  });
});

describe("the order for a program", () => {
  it("has no specification, and threads for its CPUs where it is pinned", () => {
    const program = { path: "/bin/tool", argv: ["tool"] };
    const pinned = programOrder(record({ workingDir: "/w" }), program, CONTEXT);
    assert.deepEqual([pinned.specification, pinned.workingDir], [null, "/w"]);
    assert.equal(pinned.env["OMP_NUM_THREADS"], "2");
    const free = programOrder(record({}, null), program, CONTEXT);
    assert.deepEqual([free.cpus, free.env["OMP_NUM_THREADS"]], [null, undefined]);
  });
});

describe("a specification", () => {
  it("is its text, with the length in front, and the arguments to the end", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.uint8Array(), (title, args) => {
        const { told } = read(functionOrder(record(), TARGET, ARGUMENTS, source("fork"), CONTEXT));
        const bytes = encodeSpecification({ ...told, title }, args);
        const length = new DataView(bytes.buffer).getUint32(0, true);
        const text: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
        assert.deepEqual(text, { ...told, title });
        assert.deepEqual(bytes.subarray(4 + length), args);
      }),
    );
  });
});
