import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Client } from "forkbus";
import { z } from "zod";
import type { Contender, Title } from "../harness/contender.js";
import type { Driver } from "../harness/driver.js";
import { packageRoot } from "../../server/kernel/package-root.js";
import { idleMemory, type Memory } from "./memory.js";
import { processOf, type WorkerKind } from "./worker-kinds.js";

/** How many are there at once: what they share is shared by so many, and the fork server. */
const workers = 10;

/** Starts workers that do nothing, has them looked at, and ends them. */
export type IdleWorkers = (
  look: (pids: readonly number[]) => Promise<readonly Memory[]>,
) => Promise<readonly Memory[]>;

export const privateGroup = (group: string): string => `${group}: private memory of an idle worker`;
export const pssGroup = (group: string): string => `${group}: PSS of an idle worker`;

/** Both of what is measured, by the same workers. */
export function memoryContenders(
  title: Omit<Title, "unit">,
  idle: IdleWorkers,
): readonly Contender[] {
  const { group } = title;
  let measured: Promise<readonly Memory[]> | undefined;
  const measure = (): Promise<readonly Memory[]> => (measured ??= idle(idleMemory));
  const by = (of: string, value: (memory: Memory) => number): Contender => ({
    ...{ ...title, group: of, unit: "mb" },
    run: async () => (await measure()).map(value),
  });
  return [
    by(privateGroup(group), ({ privateMb }) => privateMb),
    by(pssGroup(group), ({ pssMb }) => pssMb),
  ];
}

export function forkbusIdle(client: Client, kind: WorkerKind, template: string): IdleWorkers {
  return async (look) => {
    const started = await Promise.all(
      Array.from({ length: workers }, () => client.spawn(processOf(kind, template, "idle"))),
    );
    try {
      return await look(started.flatMap(({ pid }) => pid ?? []));
    } finally {
      for (const worker of started) await worker.delete({ force: true });
    }
  };
}

export function childProcessIdle({ file }: WorkerKind): IdleWorkers {
  return async (look) => {
    const program = join(packageRoot, "bench/start/child-process-worker.cjs");
    const started: ChildProcess[] = [];
    try {
      for (let index = 0; index < workers; index++) {
        const child = fork(program, [file, "idle"]);
        started.push(child);
        const ready = once(child, "message").then(() => true);
        const ended = once(child, "exit").then(() => false);
        if (!(await Promise.race([ready, ended]))) throw new Error(`${file}: it has ended`);
      }
      return await look(started.flatMap(({ pid }) => pid ?? []));
    } finally {
      await Promise.all(
        started.map(async (child) => {
          if (child.exitCode !== null || child.signalCode !== null) return;
          const ended = once(child, "exit");
          child.kill("SIGKILL");
          await ended;
        }),
      );
    }
  };
}

/** Of a driver in Python, which ends them itself. */
export function pythonIdle(driver: Driver): IdleWorkers {
  const answer = z.object({ pids: z.array(z.int()) });
  return async (look) => {
    const { pids } = await driver.ask({ idle: workers }, answer);
    try {
      return await look(pids);
    } finally {
      await driver.ask({ idle: 0 }, answer);
    }
  };
}
