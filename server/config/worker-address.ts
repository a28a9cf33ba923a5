import { type ListenAddress } from "./config.js";

/** How a worker finds this daemon: by its socket, or a port that needs no certificate. */
export function addressEnvironment(
  listen: readonly ListenAddress[],
): Readonly<Record<string, string>> {
  const unix = listen.find((address) => address.kind === "unix");
  if (unix !== undefined) return { FORKBUS_ADDRESS: `unix:${unix.path}` };
  const open = listen.find((address) => address.kind === "insecure" && address.port !== 0);
  if (open?.kind !== "insecure") return {};
  return { FORKBUS_ADDRESS: `tcp://${open.host}:${open.port}` };
}
