import { randomUUID } from "node:crypto";
import { type CallContext, Status } from "nice-grpc";
import {
  type CreateTemplateRequest,
  type CreateTemplateResponse,
  type DeepPartial,
  type DeleteTemplateRequest,
  type DeleteTemplateResponse,
  type GetTemplateRequest,
  type GetTemplateResponse,
  type ListTemplatesRequest,
  type ListTemplatesResponse,
  Template,
  type TemplateFailure,
  type TemplateServiceImplementation,
  TemplateSpec,
  TemplateState,
  TemplateStatus,
  type UpdateTemplateRequest,
  type UpdateTemplateResponse,
  type WaitTemplateRequest,
  type WaitTemplateResponse,
  ZygoteReport,
} from "../../proto/gen/forkbus/v1/template.js";
import { FakeFailure } from "./fake-daemon-failure.js";
import { until } from "./fake-daemon-until.js";

/** The template service over templates that are only data: they are ready, or fail, when the test says so. */
export class FakeTemplates implements TemplateServiceImplementation {
  readonly templates = new Map<string, Template>();
  readonly #requests = new Map<string, Template>();

  createTemplate({
    template,
    requestId,
  }: CreateTemplateRequest): Promise<DeepPartial<CreateTemplateResponse>> {
    const known = this.#requests.get(requestId);
    if (known !== undefined) return Promise.resolve({ template: this.template(known.name) });
    const name = template?.name ?? "";
    if (this.templates.has(name)) {
      throw new FakeFailure(Status.ALREADY_EXISTS, "TEMPLATE_EXISTS", `${name} exists`, { name });
    }
    const made = Template.create({
      ...template,
      uid: randomUUID(),
      revision: 1n,
      status: { state: TemplateState.STARTING, newestGeneration: 1n },
    });
    this.templates.set(name, made);
    this.#requests.set(requestId, made);
    return Promise.resolve({ template: made });
  }

  getTemplate({ name }: GetTemplateRequest): Promise<DeepPartial<GetTemplateResponse>> {
    return Promise.resolve({ template: this.template(name) });
  }

  listTemplates({
    pageSize,
    pageToken,
    namePrefix,
  }: ListTemplatesRequest): Promise<DeepPartial<ListTemplatesResponse>> {
    const all = [...this.templates.values()]
      .filter(({ name }) => name > pageToken && name.startsWith(namePrefix))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const page = all.slice(0, pageSize || 100);
    const nextPageToken = page.length < all.length ? (page.at(-1)?.name ?? "") : "";
    const templates = page.map((template) =>
      Template.create({
        ...template,
        status: TemplateStatus.create({ ...template.status, report: undefined }),
      }),
    );
    return Promise.resolve({ templates, nextPageToken });
  }

  updateTemplate({
    name,
    spec,
  }: UpdateTemplateRequest): Promise<DeepPartial<UpdateTemplateResponse>> {
    const template = this.template(name);
    const wanted = TemplateSpec.create(spec);
    const encoded = (one: TemplateSpec): string =>
      Buffer.from(TemplateSpec.encode(one).finish()).toString("hex");
    if (encoded(wanted) !== encoded(TemplateSpec.create(template.spec))) {
      const newestGeneration = (template.status?.newestGeneration ?? 0n) + 1n;
      const status = { ...template.status, newestGeneration, failure: undefined };
      this.#change({ ...template, spec: wanted, status: TemplateStatus.create(status) });
    }
    return Promise.resolve({ template: this.template(name) });
  }

  deleteTemplate({ name }: DeleteTemplateRequest): Promise<DeleteTemplateResponse> {
    this.templates.delete(name);
    return Promise.resolve({});
  }

  async waitTemplate(
    { name, waitMs }: WaitTemplateRequest,
    { signal }: CallContext,
  ): Promise<DeepPartial<WaitTemplateResponse>> {
    const isDecided = (): boolean => {
      const { status } = this.template(name);
      return (
        status?.failure !== undefined ||
        (status !== undefined && status.servingGeneration === status.newestGeneration)
      );
    };
    const reached = await until(isDecided, waitMs, signal);
    return { reached, template: this.template(name) };
  }

  /** The newest generation serves from now on; `spawnFallback`: it cannot be forked. */
  becomeReady(name: string, report: DeepPartial<ZygoteReport> = {}, spawnFallback = ""): void {
    const template = this.template(name);
    const status = TemplateStatus.create({
      ...template.status,
      state: TemplateState.READY,
      servingGeneration: template.status?.newestGeneration ?? 0n,
      report: ZygoteReport.create(report),
      spawnFallback,
    });
    this.#change({ ...template, status });
  }

  /** The newest generation cannot be made. An older one goes on. */
  fail(name: string, failure: DeepPartial<TemplateFailure>): void {
    const template = this.template(name);
    const isServed = (template.status?.servingGeneration ?? 0n) > 0n;
    const state = isServed ? TemplateState.READY : TemplateState.FAILED;
    this.#change({
      ...template,
      status: TemplateStatus.create({ ...template.status, state, failure }),
    });
  }

  template(name: string): Template {
    const template = this.templates.get(name);
    if (template !== undefined) return template;
    throw new FakeFailure(Status.NOT_FOUND, "TEMPLATE_NOT_FOUND", `No template ${name}`, { name });
  }

  #change(template: Template): void {
    this.templates.set(template.name, { ...template, revision: template.revision + 1n });
  }
}
