import assert from "node:assert/strict";
import { cpuSpace } from "../../../server/cpus/cpu-space.js";
import { readTopology, sysDevices } from "../../../server/kernel/cpu-topology.js";
import { usableCpus } from "../../../server/kernel/usable-cpus.js";
import { sysTree, topologyOf } from "../../support/sys-tree.js";

describe("the topology of a host", () => {
  it("has packages, cores, siblings and NUMA nodes", () => {
    const topology = topologyOf("two-sockets");
    assert.equal(topology.cpus.length, 256);
    assert.deepEqual(topology.cpu(100), {
      id: 100,
      core: 100,
      package: 1,
      numaNode: 3,
      kind: null,
      capacity: 1024,
    });
    assert.equal(topology.cpu(228).core, 100);
    assert.deepEqual(topology.siblings(100), [100, 228]);
    assert.equal(new Set(topology.cpus.map(({ core }) => core)).size, 128);
    for (const node of [0, 1, 2, 3]) {
      assert.equal(topology.cpus.filter(({ numaNode }) => numaNode === node).length, 64);
    }
  });

  it("tells performance cores from efficiency cores, by kind or by capacity", () => {
    const hybrid = topologyOf("hybrid");
    const kinds = hybrid.cpus.map(({ kind }) => kind);
    assert.deepEqual(kinds, [
      ...Array<string>(16).fill("performance"),
      ...Array<string>(16).fill("efficiency"),
    ]);
    assert.deepEqual(hybrid.siblings(hybrid.cpu(3).core), [2, 3]);
    assert.deepEqual(hybrid.siblings(hybrid.cpu(20).core), [20]);
    const board = topologyOf("big-little");
    assert.deepEqual(
      board.cpus.map(({ kind, capacity }) => [kind, capacity]),
      [
        ...Array<unknown>(4).fill(["efficiency", 446]),
        ...Array<unknown>(2).fill(["performance", 1024]),
      ],
    );
    assert.equal(board.cpu(0).package, 0);
  });

  it("has a core for each CPU where the kernel tells nothing", () => {
    const topology = readTopology(() => undefined, [2, 5]);
    assert.deepEqual(
      topology.cpus.map(({ id, core }) => [id, core]),
      [
        [2, 2],
        [5, 5],
      ],
    );
  });

  it("is limited to what a container may use, and knows of the siblings outside", () => {
    const choices = { cpus: null, reserved: [], minShared: 1 };
    const space = cpuSpace(topologyOf("container"), [1, 2, 3, 4], choices);
    assert.deepEqual(space.usable, [1, 2, 3, 4]);
    assert.deepEqual(space.topology.siblings(space.topology.cpu(4).core), [0, 4]);
  });

  it("leaves out what is reserved, and something for workers", () => {
    const of = (cpus: readonly number[] | null, reserved: readonly number[]): readonly number[] =>
      cpuSpace(topologyOf("container"), [0, 1, 2, 3], { cpus, reserved, minShared: 1 }).usable;
    assert.deepEqual(of(null, [0]), [1, 2, 3]);
    assert.deepEqual(of([2, 3], [3, 7]), [2]);
    assert.throws(
      () => of([2], [2]),
      /No CPU is left for workers: 2 may be used, and 2 are reserved/,
    );
  });

  it("of this host is what the kernel says", () => {
    const topology = readTopology(sysDevices, usableCpus());
    for (const cpu of usableCpus()) {
      assert.ok(topology.cpus.some(({ id }) => id === cpu));
      assert.ok(topology.siblings(topology.cpu(cpu).core).includes(cpu));
    }
  });

  it("is read from trees that hold what they should", () => {
    const read = sysTree("two-sockets");
    assert.equal(read("system/cpu/cpu200/topology/core_cpus_list"), "72,200\n");
    assert.equal(read("system/cpu/cpu256/topology/core_cpus_list"), undefined);
  });
});
