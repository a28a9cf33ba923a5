import { randomUUID } from "node:crypto";
import { type Container, docker, LABELS, type Network } from "./engine.js";

/** A network of its own, on which the daemon's container is known as `daemon`. */
export class PrivateNetwork implements AsyncDisposable {
  readonly name: string;
  readonly #network: Network;

  private constructor(name: string, network: Network) {
    this.name = name;
    this.#network = network;
  }

  static async create(): Promise<PrivateNetwork> {
    const name = `forkbus-test-${randomUUID()}`;
    const options = { Name: name, Labels: LABELS, CheckDuplicate: true };
    return new PrivateNetwork(name, await (await docker()).createNetwork(options));
  }

  /** Pulls the cable: no packet goes either way, and nobody is told. */
  async cut({ id }: Container): Promise<void> {
    await this.#network.disconnect({ Container: id, Force: true });
  }

  async mend({ id }: Container): Promise<void> {
    await this.#network.connect({ Container: id, EndpointConfig: { Aliases: ["daemon"] } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#network.remove();
  }
}
