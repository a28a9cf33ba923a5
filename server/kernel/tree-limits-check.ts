import { type Check } from "../observability/server-report.js";
import { type KeeperFeatures } from "./keeper/keeper-decode.js";

const CONTROLLERS = ["memory", "pids", "cpu"] as const;

export interface LimitedKeeper {
  readonly features: Pick<KeeperFeatures, "controllers">;
  /** Where its leaves are; null where there are none. */
  readonly cgroup: string | null;
}

export interface CgroupTexts {
  /** `/proc/PID/cgroup` of the keeper. */
  readonly keeperGroup: string;
  /** `/proc/cgroups`. */
  readonly hierarchies: string;
}

/** Whether memory, processes and CPU time of trees can be limited here, or what stands in the way. */
export function treeLimitsCheck(
  { features: { controllers }, cgroup }: LimitedKeeper,
  { keeperGroup, hierarchies }: CgroupTexts,
): Check {
  const name = "cgroup.limits";
  const missing = CONTROLLERS.filter((controller) => !controllers.includes(controller));
  if (missing.length === 0) {
    const message = "Memory, processes and CPU time of a tree can be limited";
    return { name, outcome: "ok", message, consequence: "", remedy: "" };
  }
  return {
    name,
    outcome: "warning",
    consequence: `A create with limits for its tree that need ${missing.join(", ")} fails, unless it is a best effort`,
    ...obstacle(missing, cgroup, { keeperGroup, hierarchies }),
  };
}

function obstacle(
  missing: readonly string[],
  leaves: string | null,
  { keeperGroup, hierarchies }: CgroupTexts,
): Pick<Check, "message" | "remedy"> {
  const held = missing.filter((controller) => isOfVersion1(controller, hierarchies));
  if (held.length > 0) {
    return {
      message: `On this host cgroup v1 has the controllers ${held.join(", ")}, and v2 has not`,
      remedy: "Boot with cgroup v2 alone: cgroup_no_v1=all",
    };
  }
  const above = /^0::(\/.+)$/m.exec(keeperGroup)?.[1];
  if (above !== undefined && leaves?.endsWith(`${above}/workers`) === true) {
    return {
      message: `The keeper sits in ${above}, above its workers: the kernel gives these no controllers while it does`,
      remedy:
        "DelegateSubgroup=keeper in the keeper's unit (systemd 254 or newer), or a group keeper inside that one to start it in",
    };
  }
  return {
    message: `The keeper has not been given the controllers ${missing.join(", ")} of cgroup v2`,
    remedy: "Delegate them to the keeper's unit, or name a directory that has them with --cgroup",
  };
}

/** The second column is 0 for what v2 has. */
function isOfVersion1(controller: string, hierarchies: string): boolean {
  return hierarchies
    .split("\n")
    .map((row) => row.split("\t"))
    .some(([name, hierarchy = "0"]) => name === controller && hierarchy !== "0");
}
