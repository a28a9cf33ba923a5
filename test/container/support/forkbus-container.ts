import { GenericContainer, type StartedTestContainer, Wait } from "testcontainers";
import { type Client, connect } from "../../../client/typescript/index.js";
import { type CertificateAuthority, type KeyPair } from "../../support/certificate-authority.js";
import { type Container, docker, LABELS } from "./engine.js";
import { freePort } from "./free-port.js";
import { DAEMON_IMAGE } from "./images.js";

const READY = /"message":"ready"/;

export interface ForkbusContainerOptions {
  /** Whether clients must show a certificate of the authority. */
  readonly clientCertificates?: boolean;
  /** Instead of a port of the loopback address: a network, where others know it as `daemon`. */
  readonly network?: string;
}

/**
 * The daemon in a container, with TLS by certificates of the given authority. Its port on this host stays the same
 * when it is started again.
 */
export class ForkbusContainer implements AsyncDisposable {
  readonly container: Container;
  readonly #started: StartedTestContainer;
  readonly #authority: CertificateAuthority;
  readonly #port: number;

  private constructor(
    container: Container,
    started: StartedTestContainer,
    authority: CertificateAuthority,
    port: number,
  ) {
    this.container = container;
    this.#started = started;
    this.#authority = authority;
    this.#port = port;
  }

  static async start(
    authority: CertificateAuthority,
    { clientCertificates = false, network }: ForkbusContainerOptions = {},
  ): Promise<ForkbusContainer> {
    const { cert, key } = authority.issue("server", "/CN=daemon", ["daemon"]);
    const port = await freePort();
    const place = "/etc/forkbus";
    const mode = 0o644;
    const definition = new GenericContainer(DAEMON_IMAGE)
      .withLabels(LABELS)
      .withEnvironment({
        FORKBUS_TLS_CERT: `${place}/tls.crt`,
        FORKBUS_TLS_KEY: `${place}/tls.key`,
        ...(clientCertificates ? { FORKBUS_CLIENT_CA: `${place}/ca.crt` } : {}),
      })
      .withCopyContentToContainer([
        { content: cert.toString(), target: `${place}/tls.crt`, mode },
        { content: key.toString(), target: `${place}/tls.key`, mode },
        { content: authority.ca.toString(), target: `${place}/ca.crt`, mode },
      ])
      .withWaitStrategy(Wait.forLogMessage(READY));
    if (network === undefined) definition.withExposedPorts({ container: 7070, host: port });
    else definition.withNetworkMode(network).withNetworkAliases("daemon");
    const started = await definition.start();
    const container = (await docker()).getContainer(started.getId());
    return new ForkbusContainer(container, started, authority, port);
  }

  get address(): string {
    return `tcp://localhost:${this.#port}`;
  }

  /** A client on this host, with the certificate given. Waits for a daemon that is about to come. */
  connect(identity?: KeyPair): Promise<Client> {
    const tls = { ca: this.#authority.ca, ...identity };
    return connect(this.address, { tls, connectMs: 15_000 });
  }

  /** Runs a command inside. Throws when it fails. */
  async run(...command: string[]): Promise<string> {
    const { exitCode, output } = await this.#started.exec(command);
    if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${exitCode}: ${output}`);
    return output.trim();
  }

  /** Process numbers inside of programs with that text in their command line. */
  async pidsOf(text: string): Promise<number[]> {
    const lines = (await this.run("ps", "-e", "-o", "pid=,args=")).split("\n");
    const found = lines.filter((line) => line.includes(text) && !line.includes(" -- "));
    return found.map((line) => Number.parseInt(line, 10));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.container.remove({ force: true, v: true });
  }
}
