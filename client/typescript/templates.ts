import { randomUUID } from "node:crypto";
import type {
  Template as TemplateMessage,
  TemplateServiceClient,
} from "../../proto/gen/forkbus/v1/template.js";
import type { Connection } from "./connection.js";
import { AlreadyExistsError } from "./errors.js";
import { checkTemplateOptions } from "./known-options.js";
import { repeatWhileUnavailable } from "./retry.js";
import { Template } from "./template.js";
import { templateMessage, type TemplateOptions } from "./template-options.js";
import {
  deadlineAfter,
  type SignalOption,
  timeLeft,
  type WaitOptions,
  withSignal,
} from "./wait-options.js";

export interface ListTemplatesOptions extends SignalOption {
  readonly namePrefix?: string;
  /** All must match exactly. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Templates one page asks for, at most 1000. */
  readonly pageSize?: number;
}

/** The templates of a daemon. `python` and `node` are there from the start, and cannot be changed. */
export class Templates {
  readonly #connection: Connection;

  /** Programs use `Client.templates`. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The service as it is on the wire: nothing is repeated, and 64-bit numbers are bigints. */
  get service(): TemplateServiceClient {
    return this.#connection.templates;
  }

  /**
   * Keeps the template and begins to load it; `ready` of what is returned waits for that. Throws AlreadyExistsError when
   * the name is taken.
   */
  async create(options: TemplateOptions, { signal }: SignalOption = {}): Promise<Template> {
    checkTemplateOptions(options);
    const request = {
      template: templateMessage(options, this.#connection.place),
      requestId: randomUUID(),
    };
    const answer = await this.#repeat(signal, () =>
      this.service.createTemplate(request, withSignal(signal)),
    );
    return this.#handleOf(answer.template);
  }

  /**
   * What a program says at its start: creates the template, or gives the one of that name this spec, and waits until it
   * serves. A template that has the spec already is left as it is, so that this costs one short call. Labels are only
   * those of a template that is made. Throws what `create`, `update` and `ready` of a template throw.
   */
  async ensure(options: TemplateOptions, waiting: WaitOptions = {}): Promise<Template> {
    const deadline = deadlineAfter(waiting.timeoutMs);
    const template = await this.apply(options, waiting);
    return await template.ready({ ...waiting, ...timeLeft(deadline) });
  }

  /** The template of that name. Throws NotFoundError when there is none. */
  async get(name: string, { signal }: SignalOption = {}): Promise<Template> {
    const answer = await this.#repeat(signal, () =>
      this.service.getTemplate({ name }, withSignal(signal)),
    );
    return this.#handleOf(answer.template);
  }

  /** Templates in the order of their names, page by page as the loop goes; without reports. */
  async *list(options: ListTemplatesOptions = {}): AsyncGenerator<Template, void, undefined> {
    const { signal, namePrefix = "", labels = {}, pageSize = 0 } = options;
    let pageToken = "";
    do {
      const request = { namePrefix, labels: { ...labels }, pageSize, pageToken };
      const page = await this.#repeat(signal, () =>
        this.service.listTemplates(request, withSignal(signal)),
      );
      for (const message of page.templates) yield this.#handleOf(message);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** Ends the zygote of a template; workers live on. Deleting what is not there is no error. */
  async delete(name: string, { signal }: SignalOption = {}): Promise<void> {
    await this.#repeat(signal, () => this.service.deleteTemplate({ name }, withSignal(signal)));
  }

  /** The same, without waiting until it serves. */
  async apply(options: TemplateOptions, { signal }: SignalOption = {}): Promise<Template> {
    const given = withSignal(signal);
    try {
      return await this.create(options, given);
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error;
      const template = await this.get(options.name, given);
      // One of another language is another thing of that name.
      if (template.runtime !== options.runtime) throw error;
      return await template.update(options, given);
    }
  }

  #handleOf(message: TemplateMessage | undefined): Template {
    if (message === undefined) throw new Error("The daemon answered without a template");
    return new Template(this.#connection, message);
  }

  #repeat<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    return repeatWhileUnavailable(this.#connection, call, signal);
  }
}
