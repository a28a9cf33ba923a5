import { readFileSync } from "node:fs";
import { GenericContainer, type StartedTestContainer, Wait } from "testcontainers";
import { type Client, connect, type Process } from "../../../client/typescript/index.js";
import { CertificateAuthority } from "../../support/certificate-authority.js";
import { eventually } from "../../support/eventually.js";
import { type Container, docker, LABELS } from "./engine.js";
import { freePort } from "./free-port.js";
import { SYSTEMD_IMAGE } from "./images.js";

const CERTIFICATE = "/etc/forkbus/tls.crt";
const KEY = "/etc/forkbus/tls.key";
const OPTIONS = `--listen tcp://0.0.0.0:7070 --tls-cert ${CERTIFICATE} --tls-key ${KEY}`;

/** systemd wants the whole tree of cgroups v2 as this host has it, wherever that is mounted. */
class SystemdContainer extends GenericContainer {
  constructor() {
    super(SYSTEMD_IMAGE);
    Object.assign(this.hostConfig, { CgroupnsMode: "host" });
    this.withLabels(LABELS)
      .withAddedCapabilities("ALL")
      // Not every host has it to give.
      .withDroppedCapabilities("SYS_RESOURCE")
      .withSecurityOpt("seccomp=unconfined")
      .withTmpFs({ "/run": "rw,exec", "/run/lock": "rw", "/tmp": "rw,exec" })
      .withBindMounts([{ source: cgroupMount(), target: "/sys/fs/cgroup", mode: "rw" }])
      .withWaitStrategy(Wait.forSuccessfulCommand("systemctl is-system-running --wait"));
  }
}

function cgroupMount(): string {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8");
  const mount = /^\S+ \S+ \S+ \/ (\S+) .* - cgroup2 /m.exec(mounts)?.[1];
  if (mount === undefined) throw new Error("This host has no cgroup v2 for systemd to use");
  return mount;
}

/** A machine of its own with systemd as process 1, on which forkbus is installed, and started at boot. */
export class SystemdHost implements AsyncDisposable {
  readonly container: Container;
  /** A client outside, by TLS. */
  readonly bus: Client;
  readonly #started: StartedTestContainer;

  private constructor(container: Container, started: StartedTestContainer, bus: Client) {
    this.container = container;
    this.#started = started;
    this.bus = bus;
  }

  static async boot(): Promise<SystemdHost> {
    using authority = new CertificateAuthority();
    const { cert, key } = authority.issue("server", "/CN=server");
    const port = await freePort();
    const started = await new SystemdContainer()
      .withExposedPorts({ container: 7070, host: port })
      .withCopyContentToContainer([
        { content: cert.toString(), target: CERTIFICATE, mode: 0o644 },
        { content: key.toString(), target: KEY, mode: 0o644 },
        { content: `FORKBUS_OPTIONS="${OPTIONS}"\n`, target: "/etc/default/forkbus" },
      ])
      .start();
    const container = (await docker()).getContainer(started.getId());
    const tls = { ca: authority.ca };
    const bus = await connect(`tcp://localhost:${port}`, { tls, connectMs: 20_000 });
    return new SystemdHost(container, started, bus);
  }

  /** Runs a command as root. Throws when it fails. */
  async run(...command: string[]): Promise<string> {
    const { exitCode, output } = await this.#started.exec(command);
    if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${exitCode}: ${output}`);
    return output.trim();
  }

  /** The process that runs a unit; 0 when there is none. */
  async mainPid(unit: string): Promise<number> {
    return Number(await this.run("systemctl", "show", "--property", "MainPID", "--value", unit));
  }

  /** Resolves when another process than the given one runs the unit. */
  async successor(unit: string, pid: number): Promise<void> {
    await eventually(
      () => this.mainPid(unit),
      (now) => now !== 0 && now !== pid,
      { what: `another process of ${unit}` },
    );
  }

  /** A worker that is known to have begun. It ends when it is asked to, with a code that no signal makes. */
  async worker(): Promise<Process> {
    const script = "trap 'exit 9' TERM; echo up; while :; do sleep 600 & wait; done";
    const worker = await this.bus.process({ argv: ["sh", "-c", script] }).start();
    for await (const line of worker.stdout.lines()) if (line === "up") break;
    return worker;
  }

  /** Sends a signal, and not through forkbus. */
  async kill(signal: string, pid: number | undefined): Promise<void> {
    await this.run("kill", `-${signal}`, String(pid));
  }

  /** Resolves when workers can be started. */
  async working(): Promise<void> {
    await eventually(
      () =>
        this.bus
          .process({ argv: ["true"] })
          .start()
          .catch(() => undefined),
      (started) => started !== undefined,
      { what: "a worker to start" },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bus[Symbol.asyncDispose]();
    await this.container.remove({ force: true, v: true });
  }
}
