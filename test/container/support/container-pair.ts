import { CertificateAuthority } from "../../support/certificate-authority.js";
import { ClientContainer } from "./client-container.js";
import { ForkbusContainer } from "./forkbus-container.js";
import { PrivateNetwork } from "./private-network.js";

/** A daemon and a client, each in a container, joined by a network. */
export class ContainerPair implements AsyncDisposable {
  static async start(): Promise<ContainerPair> {
    const authority = new CertificateAuthority();
    const network = await PrivateNetwork.create();
    const daemon = await ForkbusContainer.start(authority, { network: network.name });
    await daemon.run("forkbus", "queue", "create", "jobs");
    const client = await ClientContainer.start(authority, network.name, "jobs");
    return new ContainerPair(authority, network, daemon, client);
  }

  readonly network: PrivateNetwork;
  readonly daemon: ForkbusContainer;
  readonly client: ClientContainer;
  readonly #authority: CertificateAuthority;

  private constructor(
    authority: CertificateAuthority,
    network: PrivateNetwork,
    daemon: ForkbusContainer,
    client: ClientContainer,
  ) {
    this.#authority = authority;
    this.network = network;
    this.daemon = daemon;
    this.client = client;
  }

  /** From inside the daemon's container, which needs no network. */
  async put(items: readonly string[]): Promise<void> {
    await this.daemon.run("forkbus", "queue", "put", "jobs", ...items);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await this.daemon[Symbol.asyncDispose]();
    await this.network[Symbol.asyncDispose]();
    this.#authority[Symbol.dispose]();
  }
}
