import type * as proto from "../../proto/gen/forkbus/v1/template.js";
import { principalName } from "../auth/principal.js";
import { parseLabels } from "../core/labels.js";
import { linkSignals } from "../core/link-signals.js";
import { parseName, parseNamePrefix, parseRequestId } from "../core/names.js";
import { type Template } from "../templates/template-table.js";
import { type TemplateFilter, type Templates } from "../templates/templates.js";
import { type ZygoteLook } from "../templates/zygote-look.js";
import { type CallContext } from "./call-context.js";
import { fromTemplate, toTemplateSpec } from "./convert/template.js";
import { fromWallTime } from "./convert/timestamp.js";
import { decodePageToken, encodePageToken, pageSize } from "./page-token.js";
import { type Handlers } from "./service-shape.js";

/** Requests to domain calls, and back: no decisions here. */
export class TemplateService implements Handlers<typeof proto.TemplateServiceDefinition> {
  readonly #templates: Templates;
  readonly #look: ZygoteLook;
  readonly #stopping: AbortSignal;

  /** `stopping` ends every wait, with its reason, when the daemon is about to go. */
  constructor(templates: Templates, look: ZygoteLook, stopping: AbortSignal) {
    this.#templates = templates;
    this.#look = look;
    this.#stopping = stopping;
  }

  readonly createTemplate = async (
    { template, requestId }: proto.CreateTemplateRequest,
    { principal }: CallContext,
  ): Promise<proto.CreateTemplateResponse> => {
    this.#stopping.throwIfAborted();
    const created = await this.#templates.create({
      name: parseName("name", template?.name ?? ""),
      owner: principalName(principal),
      labels: Object.fromEntries(parseLabels("labels", Object.entries(template?.labels ?? {}))),
      spec: toTemplateSpec(template?.spec),
      requestId: requestId === "" ? null : parseRequestId("request_id", requestId),
    });
    return { template: this.#brief(created) };
  };

  readonly getTemplate = async ({
    name,
  }: proto.GetTemplateRequest): Promise<proto.GetTemplateResponse> => {
    return { template: await this.#show(this.#templates.get(parseName("name", name))) };
  };

  readonly listTemplates = (
    request: proto.ListTemplatesRequest,
  ): Promise<proto.ListTemplatesResponse> => {
    const filter: TemplateFilter = {
      namePrefix: parseNamePrefix("name_prefix", request.namePrefix),
      labels: Object.fromEntries(parseLabels("labels", Object.entries(request.labels))),
    };
    const after = decodePageToken(filter, request.pageToken);
    const page = this.#templates.list(filter, after, pageSize(request.pageSize));
    return Promise.resolve({
      templates: page.items.map((template) => this.#brief(template)),
      nextPageToken: encodePageToken(filter, page.lastName),
    });
  };

  readonly updateTemplate = async (
    request: proto.UpdateTemplateRequest,
  ): Promise<proto.UpdateTemplateResponse> => {
    const name = parseName("name", request.name);
    const template = await this.#templates.update(name, toTemplateSpec(request.spec));
    return { template: this.#brief(template) };
  };

  readonly deleteTemplate = async ({
    name,
  }: proto.DeleteTemplateRequest): Promise<proto.DeleteTemplateResponse> => {
    await this.#templates.delete(parseName("name", name));
    return {};
  };

  readonly waitTemplate = async (
    request: proto.WaitTemplateRequest,
    { signal }: CallContext,
  ): Promise<proto.WaitTemplateResponse> => {
    const name = parseName("name", request.name);
    using linked = linkSignals(signal, this.#stopping);
    const reached = await this.#templates.wait(name, request.waitMs ?? null, linked.signal);
    return { reached, template: await this.#show(this.#templates.get(name)) };
  };

  #brief(template: Template): proto.Template {
    return fromTemplate(template, this.#templates.warmWorkers(template.record.name), undefined);
  }

  async #show(template: Template): Promise<proto.Template> {
    const warm = this.#templates.warmWorkers(template.record.name);
    const { serving, fallback } = template.state;
    const report = serving?.report ?? fallback?.report;
    if (report === undefined) return fromTemplate(template, warm, undefined);
    const view = await this.#look.at(template);
    return fromTemplate(template, warm, {
      pid: view?.pid ?? 0,
      readyTime: view === null ? undefined : fromWallTime(view.readyTimeMs),
      runtimeVersion: report.runtimeVersion,
      modules: report.modules.map(({ name, loadUs }) => ({ name, loadUs: Math.round(loadUs) })),
      threads: [...report.threads],
      openFiles: [...report.openFiles],
      rssBytes: BigInt(view?.rssBytes ?? 0),
      pssBytes: BigInt(view?.pssBytes ?? 0),
      forks: BigInt(template.forks),
      stdoutTail: view?.stdoutTail ?? "",
      stderrTail: view?.stderrTail ?? "",
    });
  }
}
