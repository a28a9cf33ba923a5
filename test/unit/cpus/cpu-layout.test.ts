import assert from "node:assert/strict";
import fc from "fast-check";
import { layOut } from "../../../server/cpus/cpu-layout.js";
import { CPU_LAYOUTS, type CpuLayout } from "../../../server/cpus/cpu-request.js";
import { type CpuSet, formatCpuSet, parseCpuSet } from "../../../server/cpus/cpu-set.js";
import { type Topology } from "../../../server/cpus/topology.js";
import { topologyOf } from "../../support/sys-tree.js";

const big = topologyOf("two-sockets");
const hybrid = topologyOf("hybrid");
const container = topologyOf("container");
const empty = (): number => 0;

function all(topology: Topology): CpuSet {
  return topology.cpus.map(({ id }) => id);
}

function chosen(
  topology: Topology,
  layout: CpuLayout,
  count: number,
  candidates: CpuSet | string = all(topology),
  workersOn: (cpu: number) => number = empty,
): string | undefined {
  const from = typeof candidates === "string" ? (parseCpuSet(candidates) ?? []) : candidates;
  const cpus = layOut(layout, { topology, candidates: from, count, workersOn });
  return cpus === undefined ? undefined : formatCpuSet(cpus);
}

describe("CPUs that lie close together", () => {
  it("share a core, then a NUMA node, then a package", () => {
    assert.equal(chosen(big, "compact", 2), "0,128");
    assert.equal(chosen(big, "compact", 4), "0-1,128-129");
    assert.equal(chosen(big, "compact", 64), "0-31,128-159");
    assert.equal(chosen(big, "compact", 128), "0-63,128-191");
  });

  it("are taken where they just fit, so that larger parts stay whole", () => {
    assert.equal(chosen(big, "compact", 2, "0-7,40,168"), "40,168");
    assert.equal(chosen(big, "compact", 3, "0-31,128-159,64-66"), "64-66");
    assert.equal(chosen(big, "compact", 1, "0-3,128-130"), "3");
  });

  it("are those of performance cores, where there are enough", () => {
    assert.equal(chosen(hybrid, "compact", 1), "0");
    assert.equal(chosen(hybrid, "compact", 2, "4-5,16-31"), "4-5");
    assert.equal(chosen(hybrid, "compact", 3, "4-5,16-31"), "4-5,16");
    assert.equal(chosen(hybrid, "compact", 2, "16-31"), "16-17");
  });

  it("are those from which the fewest workers must leave", () => {
    assert.equal(
      chosen(big, "compact", 2, undefined, (cpu) => (cpu < 10 ? 1 : 0)),
      "10,138",
    );
  });
});

describe("CPUs that lie far apart", () => {
  it("are of other packages, nodes and cores, before siblings are used", () => {
    assert.equal(chosen(big, "spread", 2), "0,64");
    assert.equal(chosen(big, "spread", 4), "0,32,64,96");
    assert.equal(chosen(big, "spread", 128), "0-127");
    assert.equal(chosen(container, "spread", 5), "0-4");
  });

  it("are of efficiency cores before a core is shared", () => {
    assert.equal(chosen(hybrid, "spread", 9), "0,2,4,6,8,10,12,14,16");
  });
});

describe("whole cores", () => {
  it("have all their siblings, and as many CPUs as were asked for", () => {
    assert.equal(chosen(big, "full-core", 4), "0-1,128-129");
    assert.equal(chosen(big, "full-core", 3), undefined);
    assert.equal(chosen(hybrid, "full-core", 3), "0-1,16");
    assert.equal(chosen(hybrid, "full-core", 1), "16");
  });

  it("are none where a sibling is another's, or outside of the container", () => {
    assert.equal(chosen(big, "full-core", 2, "0-3,130"), "2,130");
    assert.equal(chosen(container, "full-core", 2, "1-4"), undefined);
    assert.equal(chosen(container, "full-core", 2, "1-5"), "1,5");
  });
});

describe("a layout", () => {
  const topology = fc.constantFrom(big, hybrid, container, topologyOf("big-little"));

  it("chooses as many of the candidates as asked, or none", () => {
    fc.assert(
      fc.property(
        topology.chain((host) =>
          fc.tuple(fc.constant(host), fc.subarray([...all(host)]), fc.integer({ min: 1, max: 12 })),
        ),
        fc.constantFrom(...CPU_LAYOUTS),
        ([host, candidates, count], layout) => {
          const cpus = layOut(layout, { topology: host, candidates, count, workersOn: empty });
          if (cpus === undefined) {
            assert.ok(layout === "full-core" || count > candidates.length);
            return;
          }
          assert.equal(new Set(cpus).size, count);
          assert.ok(cpus.every((cpu) => candidates.includes(cpu)));
          if (layout !== "full-core") return;
          for (const cpu of cpus) {
            for (const sibling of host.siblings(host.cpu(cpu).core))
              assert.ok(cpus.includes(sibling));
          }
        },
      ),
    );
  });
});
