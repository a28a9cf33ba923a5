import { lookup } from "node:dns/promises";
import { type AddressInfo, BlockList, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { type ConnectionSink, type Listener, startListening, stopAccepting } from "./listener.js";

export interface TcpAddress {
  /** A name, or an IP address without brackets. */
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
}

/** What a server proves itself with, as PEM. */
export interface TlsIdentity {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** When given, clients must show a certificate that it has signed. */
  readonly clientCa?: string | Buffer | undefined;
}

/** Listens without encryption or identity, which is only for this host: other addresses are refused. */
export async function listenOnLoopback(
  address: TcpAddress,
  sink: ConnectionSink,
): Promise<Listener> {
  const resolved = await lookup(address.host);
  if (!loopback.check(resolved.address, resolved.family === 6 ? "ipv6" : "ipv4")) {
    throw new Error(
      `Without TLS only a loopback address can be listened on, and ${address.host} is none: give a certificate and its key`,
    );
  }
  const server = createServer((socket) => {
    if (!sink.admit(socket)) return;
    notice(socket);
    sink.ready(socket);
  });
  return listenOnTcp(server, { host: resolved.address, port: address.port }, sink);
}

/** TLS 1.3 and HTTP/2, nothing older. Throws when the certificate or key cannot be used. */
export async function listenOnTls(
  address: TcpAddress,
  identity: TlsIdentity,
  handshakeMs: number,
  sink: ConnectionSink,
): Promise<Listener> {
  const withClients = identity.clientCa !== undefined;
  const server = createTlsServer({
    cert: identity.cert,
    key: identity.key,
    ...(withClients ? { ca: identity.clientCa } : {}),
    requestCert: withClients,
    rejectUnauthorized: withClients,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
    handshakeTimeout: handshakeMs,
  });
  server.prependListener("connection", (socket: Socket) => {
    if (sink.admit(socket)) notice(socket);
  });
  server.on("secureConnection", (socket) => {
    // A client that offers no protocols at all passes the negotiation.
    if (socket.alpnProtocol === "h2") sink.ready(socket);
    else socket.destroy();
  });
  server.on("tlsClientError", (error, socket) => {
    sink.refused(error);
    socket.destroy();
  });
  return listenOnTcp(server, address, sink);
}

/** The kernel asks after a silent peer, so that a host that vanished does not keep its connection. */
function notice(socket: Socket): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 60_000);
}

async function listenOnTcp(
  server: Server,
  address: TcpAddress,
  sink: ConnectionSink,
): Promise<Listener> {
  await startListening(server, { host: address.host, port: address.port }, sink);
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("A TCP listener has no port");
  return {
    address: formatAddress(bound),
    close: () => {
      stopAccepting(server);
      return Promise.resolve();
    },
  };
}

function formatAddress(bound: AddressInfo): string {
  return bound.family === "IPv6"
    ? `[${bound.address}]:${bound.port}`
    : `${bound.address}:${bound.port}`;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");
