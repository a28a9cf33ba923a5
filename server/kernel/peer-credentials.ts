import type { Socket } from "node:net";
import { nativeAddon } from "./native-addon.js";

/** The process at the other end of a Unix socket, as the kernel saw it when it connected. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** `socket` is an accepted Unix connection that is still open. Throws otherwise. */
export function peerCredentials(socket: Socket): PeerCredentials {
  return parseCredentials(nativeAddon().peerCredentials(descriptorOf(socket)));
}

/** Node has no public name for a socket's descriptor. */
function descriptorOf(socket: Socket): number {
  const handle: unknown = "_handle" in socket ? socket._handle : undefined;
  if (typeof handle === "object" && handle !== null && "fd" in handle) {
    const { fd } = handle;
    if (typeof fd === "number" && fd >= 0) return fd;
  }
  throw new Error("The socket has no descriptor: it is closed");
}

function parseCredentials(value: unknown): PeerCredentials {
  if (
    typeof value === "object" &&
    value !== null &&
    "pid" in value &&
    "uid" in value &&
    "gid" in value &&
    typeof value.pid === "number" &&
    typeof value.uid === "number" &&
    typeof value.gid === "number"
  ) {
    return { pid: value.pid, uid: value.uid, gid: value.gid };
  }
  throw new Error("The native addon gave no peer credentials");
}
