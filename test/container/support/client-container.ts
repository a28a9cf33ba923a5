import { readFileSync } from "node:fs";
import { join } from "node:path";
import { GenericContainer } from "testcontainers";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { type CertificateAuthority } from "../../support/certificate-authority.js";
import { eventually } from "../../support/eventually.js";
import { type Container, docker, LABELS } from "./engine.js";
import { DAEMON_IMAGE } from "./images.js";

/** Beside the package, so that `import "forkbus"` finds it as in any program. */
const PROGRAM = "/usr/local/lib/node_modules/consumer.mjs";
const AUTHORITY = "/etc/forkbus/ca.crt";

/** The consumer of fixtures/consumer.ts in a container of its own; what it prints is read from its log. */
export class ClientContainer implements AsyncDisposable {
  readonly #container: Container;
  readonly #read: () => string;

  private constructor(container: Container, read: () => string) {
    this.#container = container;
    this.#read = read;
  }

  /** Resolves when it is connected. */
  static async start(
    authority: CertificateAuthority,
    network: string,
    queue: string,
  ): Promise<ClientContainer> {
    const program = join(packageRoot, "dist/test/container/fixtures/consumer.js");
    let text = "";
    const started = await new GenericContainer(DAEMON_IMAGE)
      .withLabels(LABELS)
      .withNetworkMode(network)
      .withCopyContentToContainer([
        { content: readFileSync(program, "utf8"), target: PROGRAM, mode: 0o644 },
        { content: authority.ca.toString(), target: AUTHORITY, mode: 0o644 },
      ])
      .withEntrypoint(["tini", "--", "node"])
      .withCommand([PROGRAM, "tcp://daemon:7070", AUTHORITY, queue])
      .withLogConsumer((stream) => {
        stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
      })
      .start();
    const container = (await docker()).getContainer(started.getId());
    const client = new ClientContainer(container, () => text);
    await client.printed("connected", 15_000);
    return client;
  }

  get lines(): readonly string[] {
    return this.#read().split("\n").filter(Boolean);
  }

  get items(): readonly string[] {
    return this.lines.filter((line) => line.startsWith("item ")).map((line) => line.slice(5));
  }

  /** Resolves when it has printed that line. */
  async printed(line: string, withinMs: number): Promise<void> {
    await eventually(
      () => this.lines,
      (lines) => lines.includes(line),
      { what: `the client to say ${line}`, withinMs },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#container.remove({ force: true, v: true });
  }
}
