import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { rlimitNumber } from "../../../server/processes/rlimits.js";

/** In the kernel's order, which is that of the numbers (proc_pid_limits(5)). */
const KERNEL_NAMES: Readonly<Record<string, string>> = {
  RLIMIT_CPU: "Max cpu time",
  RLIMIT_FSIZE: "Max file size",
  RLIMIT_DATA: "Max data size",
  RLIMIT_STACK: "Max stack size",
  RLIMIT_CORE: "Max core file size",
  RLIMIT_RSS: "Max resident set",
  RLIMIT_NPROC: "Max processes",
  RLIMIT_NOFILE: "Max open files",
  RLIMIT_MEMLOCK: "Max locked memory",
  RLIMIT_AS: "Max address space",
  RLIMIT_LOCKS: "Max file locks",
  RLIMIT_SIGPENDING: "Max pending signals",
  RLIMIT_MSGQUEUE: "Max msgqueue size",
  RLIMIT_NICE: "Max nice priority",
  RLIMIT_RTPRIO: "Max realtime priority",
  RLIMIT_RTTIME: "Max realtime timeout",
};

describe("resource limits", () => {
  it("have the numbers of this kernel, all of them", () => {
    const lines = readFileSync("/proc/self/limits", "utf8").trimEnd().split("\n").slice(1);
    assert.equal(lines.length, Object.keys(KERNEL_NAMES).length);
    for (const [resource, name] of Object.entries(KERNEL_NAMES)) {
      const number = rlimitNumber(resource);
      assert.equal(lines[number ?? -1]?.startsWith(`${name} `), true, resource);
    }
  });

  it("are none under other names", () => {
    for (const text of ["", "NOFILE", "rlimit_nofile", "RLIMIT_FOO", "toString", "__proto__"]) {
      assert.equal(rlimitNumber(text), undefined, text);
    }
  });
});
