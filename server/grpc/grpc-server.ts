import type { ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import type { Socket } from "node:net";
import type { Principal } from "../auth/principal.js";
import type { Logger } from "../observability/logger.js";
import { addService, type AdapterHost, type Handlers } from "./adapter.js";
import { ConnectionTable, localUser, tlsPeer } from "./connection-table.js";
import { EndedCalls } from "./ended-calls.js";
import { ForeignServices } from "./foreign-services.js";
import { Http2Endpoint } from "./http2-endpoint.js";
import { awaitPreface } from "./http2-preface.js";
import type { ConnectionSink, Listener } from "./listener.js";
import type { ServiceShape } from "./service-shape.js";
import {
  listenOnLoopback,
  listenOnTls,
  type TcpAddress,
  type TlsIdentity,
} from "./tcp-listener.js";
import { defaultTransportLimits, type TransportLimits } from "./transport-limits.js";
import { listenOnUnixSocket } from "./unix-listener.js";

export type ListenSpec =
  | { readonly kind: "unix"; readonly path: string }
  | ({ readonly kind: "tls"; readonly identity: TlsIdentity } & TcpAddress)
  /** TCP without TLS. */
  | ({ readonly kind: "insecure" } & TcpAddress);

export interface StopOptions {
  /** How long calls under way may take to end by themselves. */
  readonly graceMs: number;
  /** Runs when nothing is accepted any more and before clients are told to go: for in-band farewells. */
  readonly beforeDrain?: () => void | Promise<void>;
}

export interface GrpcServerOptions {
  readonly log: Logger;
  readonly limits?: Partial<TransportLimits>;
}

/**
 * Serves gRPC on any number of listeners, and knows who is calling.
 *
 * A connection that misbehaves costs only itself: what does not speak HTTP/2 is closed, and no
 * error of a connection reaches the process. Services are added before the first `listen`.
 */
export class GrpcServer implements AdapterHost {
  readonly log: Logger;
  readonly limits: TransportLimits;
  readonly endedCalls = new EndedCalls();
  readonly #foreign = new ForeignServices();
  // Pings find hosts that have vanished. On this host the kernel reports every death, and a client
  // that is stopped in a debugger answers no ping.
  readonly #local: Http2Endpoint;
  readonly #remote: Http2Endpoint;
  readonly #connections: ConnectionTable;
  readonly #listeners: Listener[] = [];
  readonly #waiting = new Set<Socket>();
  #full = false;
  #stopped: Promise<void> | undefined;

  constructor(options: GrpcServerOptions) {
    this.log = options.log;
    this.limits = { ...defaultTransportLimits, ...options.limits };
    this.#local = new Http2Endpoint(this.limits, this.endedCalls, this.#foreign, "none");
    this.#remote = new Http2Endpoint(this.limits, this.endedCalls, this.#foreign, "pings");
    this.#connections = new ConnectionTable(this.limits.connections);
  }

  /** Serves a service of ours. */
  serve<Service extends ServiceShape>(definition: Service, handlers: Handlers<Service>): void {
    const server = { addService: this.#addToAll.bind(this) };
    addService(server, definition, handlers, this);
  }

  /** For services that come with their own grpc-js handlers. */
  addService(service: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    this.#addToAll(this.#foreign.adopt(service), implementation);
  }

  #addToAll(service: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    for (const { server } of [this.#local, this.#remote])
      server.addService(service, implementation);
  }

  principalOf(peer: string): Principal | undefined {
    return this.#connections.principalOf(peer);
  }

  /** Connections that are open now, whatever they have said so far. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Starts to accept, and returns the address with the port that was bound. */
  async listen(spec: ListenSpec): Promise<string> {
    if (this.#stopped !== undefined) throw new Error("The server has been stopped");
    const listener = await this.#listener(spec);
    this.#listeners.push(listener);
    this.log.info("listening", { address: listener.address, transport: spec.kind });
    return listener.address;
  }

  /**
   * Stops accepting, lets calls end until the grace is over, then breaks the connections that are
   * left; their calls are cancelled. Resolves when no connection is open. Later calls get the first
   * one's promise, whatever their options.
   */
  stop(options: StopOptions): Promise<void> {
    return (this.#stopped ??= this.#stop(options));
  }

  async #stop({ graceMs, beforeDrain }: StopOptions): Promise<void> {
    const deadline = performance.now() + graceMs;
    for (const listener of this.#listeners) await listener.close();
    for (const socket of this.#waiting) socket.destroy();
    try {
      await withinMs(graceMs, Promise.resolve(beforeDrain?.()));
    } finally {
      this.#local.drain();
      this.#remote.drain();
      await withinMs(Math.max(0, deadline - performance.now()), this.#connections.empty());
      this.#connections.destroyAll();
      await this.#connections.empty();
      this.#local.shutDown();
      this.#remote.shutDown();
    }
  }

  #listener(spec: ListenSpec): Promise<Listener> {
    switch (spec.kind) {
      case "unix":
        return listenOnUnixSocket(spec.path, this.#sink(this.#local, localUser));
      case "tls": {
        const { identity } = spec;
        const sink = this.#sink(this.#remote, tlsPeer);
        return listenOnTls(spec, identity, this.limits.handshakeMs, sink);
      }
      case "insecure": {
        const nobody: Principal = { kind: "anonymous", via: "loopback" };
        return listenOnLoopback(
          spec,
          this.#sink(this.#local, () => nobody),
        );
      }
    }
  }

  #sink(endpoint: Http2Endpoint, identify: (socket: Socket) => Principal): ConnectionSink {
    return {
      admit: (socket) => this.#admit(socket),
      ready: (socket) => {
        this.#begin(socket, endpoint, identify).catch((error: unknown) => {
          this.log.debug("connection failed", { error });
          socket.destroy();
        });
      },
      refused: (error) => {
        this.log.debug("tls handshake failed", { error });
      },
      acceptFailed: (error) => {
        this.log.error("cannot accept connections", { error });
      },
    };
  }

  #admit(socket: Socket): boolean {
    // What happens to a connection is seen by its close event.
    socket.on("error", (error) => {
      this.log.debug("connection error", { error });
    });
    const admitted = this.#stopped === undefined && this.#connections.admit(socket);
    if (!admitted) {
      socket.destroy();
      if (!this.#full) this.log.warn("too many connections", { limit: this.limits.connections });
    }
    this.#full = !admitted;
    return admitted;
  }

  async #begin(
    socket: Socket,
    endpoint: Http2Endpoint,
    identify: (socket: Socket) => Principal,
  ): Promise<void> {
    if (socket.listenerCount("error") === 0) {
      socket.on("error", (error) => {
        this.log.debug("connection error", { error });
      });
    }
    const principal = identify(socket);
    this.#waiting.add(socket);
    const outcome = await awaitPreface(socket, this.limits.handshakeMs);
    this.#waiting.delete(socket);
    if (outcome !== "http2" || socket.destroyed) {
      this.log.debug("connection closed before it spoke http/2", { outcome });
      socket.destroy();
      return;
    }
    this.#connections.identify(socket, principal);
    endpoint.inject(socket);
  }
}

/** Waits for the promise, but no longer than this. Its rejection is the caller's until then. */
async function withinMs(ms: number, promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
