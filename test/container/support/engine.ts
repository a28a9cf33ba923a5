import { getContainerRuntimeClient } from "testcontainers";

/** All that these tests make carries it, so that they remove what is theirs and nothing else. */
export const LABELS = { "forkbus.test": "yes" };

export type Docker = Awaited<
  ReturnType<typeof getContainerRuntimeClient>
>["container"]["dockerode"];
export type Container = ReturnType<Docker["getContainer"]>;
export type Network = ReturnType<Docker["getNetwork"]>;

export async function docker(): Promise<Docker> {
  return (await getContainerRuntimeClient()).container.dockerode;
}

/** Removes what this run, or an earlier one that was killed, has left. */
export async function sweep(): Promise<void> {
  const engine = await docker();
  const filters = { label: Object.entries(LABELS).map(([name, value]) => `${name}=${value}`) };
  for (const { Id } of await engine.listContainers({ all: true, filters })) {
    await engine.getContainer(Id).remove({ force: true, v: true });
  }
  for (const { Id } of await engine.listNetworks({ filters })) await engine.getNetwork(Id).remove();
}
