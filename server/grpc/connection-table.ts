import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Principal } from "../auth/principal.js";
import { peerCredentials } from "../kernel/peer-credentials.js";

/**
 * The open connections: how many there are, and who is at the other end of each.
 *
 * grpc-js tells a call's connection by the socket's remote address alone, which is none for Unix
 * sockets and no identity for others. So each socket is given a name of ours in its place.
 */
export class ConnectionTable {
  readonly #limit: number;
  readonly #open = new Set<Socket>();
  readonly #principals = new Map<string, Principal>();
  #named = 0;
  #onEmpty: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Counts an accepted connection until it closes. False when there are too many. */
  admit(socket: Socket): boolean {
    if (this.#open.size >= this.#limit) return false;
    this.#open.add(socket);
    socket.once("close", () => {
      this.#open.delete(socket);
      if (this.#open.size > 0) return;
      for (const wake of this.#onEmpty.splice(0)) wake();
    });
    return true;
  }

  /** Makes `principalOf` know the calls of this connection. `socket` is what carries HTTP/2. */
  identify(socket: Socket, principal: Principal): void {
    const name = `connection-${++this.#named}`;
    this.#principals.set(name, principal);
    socket.once("close", () => {
      this.#principals.delete(name);
    });
    Object.defineProperty(socket, "remoteAddress", { value: name });
    Object.defineProperty(socket, "remotePort", { value: undefined });
  }

  principalOf(peer: string): Principal | undefined {
    return this.#principals.get(peer);
  }

  /** Resolves when no connection is open. */
  empty(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty.push(resolve);
    });
  }

  destroyAll(): void {
    for (const socket of this.#open) socket.destroy();
  }
}

/** Who connected a Unix socket. Throws when the connection has already gone. */
export function localUser(socket: Socket): Principal {
  return { kind: "local-user", ...peerCredentials(socket) };
}

/** Who authenticated by TLS: the holder of a verified client certificate, or nobody in particular. */
export function tlsPeer(socket: Socket): Principal {
  const certificate =
    socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) return { kind: "anonymous", via: "tls" };
  // One part in each line, with what is special in its value escaped.
  return { kind: "certificate", subject: certificate.subject.split("\n").join(",") };
}
