import assert from "node:assert/strict";
import { type ChannelCredentials, Client, credentials } from "@grpc/grpc-js";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { CertificateAuthority } from "../../support/certificate-authority.js";
import { DaemonHarness, type HarnessOptions } from "../../support/daemon-harness.js";

/** A place where clients connect. */
export interface Listener {
  /** A connection on which HTTP/2 may begin: with TLS, after the handshake. */
  connect(): Socket;
  /** A client of gRPC in good faith. */
  client(): Client;
}

export interface ListeningDaemon extends AsyncDisposable {
  readonly daemon: DaemonHarness;
  readonly listeners: Readonly<Record<string, Listener>>;
}

/** A daemon on its Unix socket and on loopback without TLS. */
export async function startPlain(options: HarnessOptions): Promise<ListeningDaemon> {
  const args = ["--listen", "tcp://127.0.0.1:0", "--insecure", ...(options.args ?? [])];
  const daemon = await DaemonHarness.start({ ...options, args });
  const port = portOf(daemon);
  const creds = credentials.createInsecure();
  return {
    daemon,
    listeners: {
      "the Unix socket": {
        connect: () => connect(daemon.socketPath),
        client: () => client(daemon.address, creds),
      },
      "loopback TCP": {
        connect: () => connect(port, "127.0.0.1"),
        client: () => client(`127.0.0.1:${port}`, creds),
      },
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** A daemon behind TLS. */
export async function startTls(options: HarnessOptions): Promise<ListeningDaemon> {
  const authority = new CertificateAuthority();
  authority.issue("server", "/CN=localhost");
  const file = (name: string): string => join(authority.directory, name);
  const identity = ["--tls-cert", file("server.crt"), "--tls-key", file("server.key")];
  const args = ["--listen", "tcp://127.0.0.1:0", ...identity, ...(options.args ?? [])];
  const daemon = await DaemonHarness.start({ ...options, args });
  const port = portOf(daemon);
  const { ca } = authority;
  const trusted = (): Client => client(`localhost:${port}`, credentials.createSsl(ca));
  const tls = { port, host: "127.0.0.1", servername: "localhost", ca, ALPNProtocols: ["h2"] };
  return {
    daemon,
    listeners: {
      "TCP with TLS, before the handshake": {
        connect: () => connect(port, "127.0.0.1"),
        client: trusted,
      },
      "TCP with TLS, within the session": { connect: () => connectTls(tls), client: trusted },
    },
    [Symbol.asyncDispose]: async () => {
      await daemon[Symbol.asyncDispose]();
      authority[Symbol.dispose]();
    },
  };
}

function client(address: string, creds: ChannelCredentials): Client {
  return new Client(address, creds, { "grpc.use_local_subchannel_pool": 1 });
}

function portOf({ log }: DaemonHarness): number {
  const port = /127\.0\.0\.1:(\d+)/.exec(log)?.[1];
  assert.ok(port !== undefined, log);
  return Number(port);
}
