import { type ConnectionInjector, Server, ServerCredentials } from "@grpc/grpc-js";
import type { Http2Server, ServerHttp2Session, Settings } from "node:http2";
import type { Socket } from "node:net";
import type { EndedCalls } from "./ended-calls.js";
import { EndedSessions } from "./ended-sessions.js";
import type { ForeignServices } from "./foreign-services.js";
import type { TransportLimits } from "./transport-limits.js";

/** A grpc-js server that is fed with connections and binds no address itself. */
export class Http2Endpoint {
  readonly server: Server;
  readonly #injector: ConnectionInjector;
  readonly #endedSessions = new EndedSessions();
  /** The connection whose session begins now. */
  #injected: Socket | undefined;

  constructor(
    limits: TransportLimits,
    ended: EndedCalls,
    foreign: ForeignServices,
    keepalive: "pings" | "none",
  ) {
    this.server = new Server({
      interceptors: [ended.interceptor, foreign.interceptor],
      "grpc.max_concurrent_streams": limits.streamsPerConnection,
      // The adapter refuses with a reason what is above the limit; grpc-js, which can give none, what
      // is far above it, and that before it has been read.
      "grpc.max_receive_message_length": 2 * limits.requestMessageBytes,
      "grpc.enable_channelz": 0,
      ...(keepalive === "pings" && {
        "grpc.keepalive_time_ms": limits.keepaliveIntervalMs,
        "grpc.keepalive_timeout_ms": limits.keepaliveTimeoutMs,
      }),
    });
    changeSettings(this.server, {
      maxHeaderListSize: limits.headerListBytes,
      initialWindowSize: limits.streamWindowBytes,
    });
    // TLS ends at our listener; from here on it is HTTP/2 in any case.
    this.#injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());
    onSession(this.server, (session) => {
      // The window of a whole connection is no setting of HTTP/2.
      session.setLocalWindowSize(limits.connectionWindowBytes);
      if (this.#injected !== undefined) this.#endedSessions.watch(session, this.#injected);
    });
  }

  /** Serves a connection that has begun with the HTTP/2 preface. */
  inject(socket: Socket): void {
    this.#injected = socket;
    this.#injector.injectConnection(socket);
    this.#injected = undefined;
  }

  /** Sends GOAWAY on each connection; it closes when its calls have ended. */
  drain(): void {
    this.server.tryShutdown(() => undefined);
  }

  /** Frees what grpc-js holds. The connections must have been closed. */
  shutDown(): void {
    this.server.forceShutdown();
  }
}

/**
 * grpc-js has no server option for SETTINGS_MAX_HEADER_LIST_SIZE, for which Node's default is
 * 64 KiB, and takes none for the windows. What becomes of each HTTP/2 server's options is in this
 * private field.
 */
function changeSettings(server: Server, changes: Settings): void {
  const options: unknown = Reflect.get(server, "commonServerOptions");
  const settings: unknown =
    typeof options === "object" && options !== null && "settings" in options
      ? options.settings
      : undefined;
  if (typeof settings !== "object" || settings === null) {
    throw new Error("This version of grpc-js keeps its HTTP/2 settings elsewhere");
  }
  Object.assign(settings, changes);
}

/** grpc-js shows neither its HTTP/2 servers nor their sessions. */
function onSession(server: Server, opened: (session: ServerHttp2Session) => void): void {
  const servers: unknown = Reflect.get(server, "http2Servers");
  if (!(servers instanceof Map) || servers.size === 0) {
    throw new Error("This version of grpc-js keeps its HTTP/2 servers elsewhere");
  }
  for (const http2Server of servers.keys() as Iterable<Http2Server>) {
    http2Server.on("session", opened);
  }
}
