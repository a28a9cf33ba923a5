import {
  type Template as TemplateMessage,
  TemplateState as TemplateStateNumber,
} from "../../proto/gen/forkbus/v1/template.js";
import { Runtime } from "../../proto/gen/forkbus/v1/types.js";
import type { Connection } from "./connection.js";
import { TimedOutError } from "./errors.js";
import { checkTemplateOptions } from "./known-options.js";
import { repeatWhileUnavailable } from "./retry.js";
import {
  parseRuntime,
  type TemplateRuntime,
  templateSpec,
  type TemplateSpecOptions,
} from "./template-options.js";
import {
  parseFailure,
  parseReport,
  type TemplateFailure,
  templateFailed,
  type ZygoteReport,
} from "./template-report.js";
import {
  deadlineAfter,
  type SignalOption,
  waitFor,
  type WaitOptions,
  withSignal,
} from "./wait-options.js";

/** `idle`: a built-in template that nobody has needed yet. */
export type TemplateState = "starting" | "ready" | "failed" | "idle" | "unknown";

/**
 * A handle of one template: a recipe for a zygote, from which workers are forked. Its properties are what the handle
 * last learned: `ready`, `wait` and `refresh` ask. The template belongs to the daemon, and stays until it is deleted.
 */
export class Template {
  readonly #connection: Connection;
  #latest: TemplateMessage;

  /** Programs use `Client.templates`. */
  constructor(connection: Connection, latest: TemplateMessage) {
    this.#connection = connection;
    this.#latest = latest;
  }

  /** What the daemon last said, as it is on the wire. */
  get latest(): TemplateMessage {
    return this.#latest;
  }

  get name(): string {
    return this.#latest.name;
  }

  /** Never reused, unlike the name. */
  get uid(): string {
    return this.#latest.uid;
  }

  get labels(): Readonly<Record<string, string>> {
    return this.#latest.labels;
  }

  get runtime(): TemplateRuntime | undefined {
    return parseRuntime(this.#latest.spec?.runtime);
  }

  /** `ready` also while a newer generation is loading, or has failed: `failure` then says why. */
  get state(): TemplateState {
    return states[this.#latest.status?.state ?? TemplateStateNumber.UNSPECIFIED] ?? "unknown";
  }

  /** Why the newest generation has failed; undefined when it has not. */
  get failure(): TemplateFailure | undefined {
    const failure = this.#latest.status?.failure;
    return failure && parseFailure(failure);
  }

  /** The zygote that serves; undefined without one, and in lists. */
  get report(): ZygoteReport | undefined {
    const report = this.#latest.status?.report;
    return report && parseReport(report);
  }

  /** Why processes of this template are spawned, where it cannot be forked; undefined when it can. */
  get spawnFallback(): string | undefined {
    return this.#latest.status?.spawnFallback || undefined;
  }

  /** Generation that new workers come from; undefined before the first is ready. */
  get servingGeneration(): number | undefined {
    return Number(this.#latest.status?.servingGeneration ?? 0n) || undefined;
  }

  /** Generation of the newest spec, counted from 1. */
  get newestGeneration(): number {
    return Number(this.#latest.status?.newestGeneration ?? 0n);
  }

  /** Workers that are forked in advance, now. */
  get warmWorkers(): number {
    return this.#latest.status?.warmWorkers ?? 0;
  }

  /** How often its zygote died and was started again. */
  get zygoteRestarts(): number {
    return this.#latest.status?.zygoteRestarts ?? 0;
  }

  /**
   * Waits until the newest generation serves. Throws TemplateFailedError when it cannot be made, TimedOutError when the
   * wait ran out.
   */
  async ready(options: WaitOptions = {}): Promise<this> {
    if (!(await this.wait(options))) {
      const message = `The template ${this.name} is not ready after ${options.timeoutMs ?? 0} ms`;
      throw new TimedOutError(message, { code: "DEADLINE_EXCEEDED" });
    }
    const { failure } = this;
    if (failure !== undefined) throw templateFailed(this.name, failure);
    return this;
  }

  /** Waits until the newest generation is ready or has failed: true, or false when the wait ran out. */
  async wait(options: WaitOptions = {}): Promise<boolean> {
    const deadline = deadlineAfter(options.timeoutMs);
    const { name } = this;
    const { reached, template } = await this.#repeat(options, (call) =>
      this.#connection.templates.waitTemplate({ name, ...waitFor(deadline) }, call),
    );
    this.#learn(template);
    return reached;
  }

  /** Asks the daemon how things are. */
  async refresh(options: SignalOption = {}): Promise<this> {
    const { name } = this;
    const { template } = await this.#repeat(options, (call) =>
      this.#connection.templates.getTemplate({ name }, call),
    );
    this.#learn(template);
    return this;
  }

  /**
   * Replaces the whole spec: what is not given is the default again. The new generation is started; workers come from the
   * old one until it is ready, and go on if it fails. The same spec again changes nothing.
   */
  async update(spec: TemplateSpecOptions, options: SignalOption = {}): Promise<this> {
    checkTemplateOptions(spec);
    const { name } = this;
    const runtime = this.#latest.spec?.runtime ?? Runtime.UNSPECIFIED;
    const wanted = templateSpec(runtime, spec, this.#connection.place);
    const { template } = await this.#repeat(options, (call) =>
      this.#connection.templates.updateTemplate({ name, spec: wanted }, call),
    );
    this.#learn(template);
    return this;
  }

  /** Ends the zygote; workers live on. Throws ForkbusError TEMPLATE_IN_USE while another template is based on it. */
  async delete(options: SignalOption = {}): Promise<void> {
    const { name } = this;
    await this.#repeat(options, (call) =>
      this.#connection.templates.deleteTemplate({ name }, call),
    );
  }

  #learn(template: TemplateMessage | undefined): void {
    // Answers may overtake each other.
    if (template !== undefined && template.revision >= this.#latest.revision) {
      this.#latest = template;
    }
  }

  #repeat<T>({ signal }: SignalOption, call: (options: SignalOption) => Promise<T>): Promise<T> {
    return repeatWhileUnavailable(this.#connection, () => call(withSignal(signal)), signal);
  }
}

const states: Readonly<Record<number, TemplateState>> = {
  [TemplateStateNumber.STARTING]: "starting",
  [TemplateStateNumber.READY]: "ready",
  [TemplateStateNumber.FAILED]: "failed",
  [TemplateStateNumber.IDLE]: "idle",
};
