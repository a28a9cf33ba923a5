import { readFileSync } from "node:fs";
import { GenericContainer, type StartedTestContainer, Wait } from "testcontainers";
import { eventually } from "../../support/eventually.js";
import { type Container, docker, LABELS } from "./engine.js";
import { SYSTEMD_IMAGE } from "./images.js";

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

/** A machine of its own with systemd as process 1, on which forkbus is installed and started. */
export class SystemdHost implements AsyncDisposable {
  readonly container: Container;
  readonly #started: StartedTestContainer;

  private constructor(container: Container, started: StartedTestContainer) {
    this.container = container;
    this.#started = started;
  }

  static async boot(): Promise<SystemdHost> {
    const started = await new SystemdContainer().start();
    return new SystemdHost((await docker()).getContainer(started.getId()), started);
  }

  /** Runs a command as root. Throws when it fails. */
  async run(...command: string[]): Promise<string> {
    const { exitCode, output } = await this.try(...command);
    if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${exitCode}: ${output}`);
    return output;
  }

  async try(...command: string[]): Promise<{ readonly exitCode: number; readonly output: string }> {
    const { exitCode, output } = await this.#started.exec(command);
    return { exitCode, output: output.trim() };
  }

  /** A property of a unit. */
  show(unit: string, property: string): Promise<string> {
    return this.run("systemctl", "show", "--property", property, "--value", unit);
  }

  async mainPid(unit: string): Promise<number> {
    return Number(await this.show(unit, "MainPID"));
  }

  /** Resolves when the daemon serves, by its Unix socket. */
  async serving(): Promise<void> {
    await eventually(
      () => this.try("forkbus", "status"),
      ({ exitCode }) => exitCode === 0,
      { what: "the daemon to serve" },
    );
  }

  /** Starts a worker; resolves to its pid. */
  async worker(name: string, ...command: string[]): Promise<number> {
    await this.run("forkbus", "run", "-d", "--name", name, "--", ...command);
    return this.pidOf(name);
  }

  async pidOf(name: string): Promise<number> {
    const text = await this.run("forkbus", "inspect", name, "-o", "json");
    const pid = /"pid": (\d+)/.exec(text)?.[1];
    if (pid === undefined) throw new Error(`${name} has no pid: ${text}`);
    return Number(pid);
  }

  /** The exit code that `forkbus wait` tells: 125 when nobody knows. */
  async exitCode(name: string): Promise<number> {
    const { exitCode } = await this.try("forkbus", "wait", "--timeout", "20s", name);
    return exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.container.remove({ force: true, v: true });
  }
}
