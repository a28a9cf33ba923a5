import { type Client } from "../client/typescript/client.js";
import { type Process, type ProcessState } from "../proto/gen/forkbus/v1/process.js";
import { type Queue } from "../proto/gen/forkbus/v1/queue.js";
import { type Template } from "../proto/gen/forkbus/v1/template.js";

const pageSize = 1000;

export interface NameFilter {
  readonly namePrefix: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** All processes that match, by name, from as many pages as it takes. No states means all states. */
export async function listProcesses(
  client: Client,
  filter: NameFilter & { readonly states: readonly ProcessState[] },
): Promise<readonly Process[]> {
  const { namePrefix, labels, states } = filter;
  return allPages(async (pageToken) => {
    const page = await client.processes.listProcesses({
      pageSize,
      pageToken,
      namePrefix,
      labels: { ...labels },
      states: [...states],
    });
    return { entries: page.processes, nextPageToken: page.nextPageToken };
  });
}

/** All queues that match, by name. */
export async function listQueues(client: Client, filter: NameFilter): Promise<readonly Queue[]> {
  const { namePrefix, labels } = filter;
  return allPages(async (pageToken) => {
    const page = await client.queues.listQueues({
      pageSize,
      pageToken,
      namePrefix,
      labels: { ...labels },
    });
    return { entries: page.queues, nextPageToken: page.nextPageToken };
  });
}

/** All templates that match, by name; without the reports of their zygotes. */
export async function listTemplates(
  client: Client,
  filter: NameFilter,
): Promise<readonly Template[]> {
  const { namePrefix, labels } = filter;
  return allPages(async (pageToken) => {
    const request = { pageSize, pageToken, namePrefix, labels: { ...labels } };
    const page = await client.templates.service.listTemplates(request);
    return { entries: page.templates, nextPageToken: page.nextPageToken };
  });
}

async function allPages<T>(
  fetch: (
    pageToken: string,
  ) => Promise<{ readonly entries: readonly T[]; readonly nextPageToken: string }>,
): Promise<readonly T[]> {
  const all: T[] = [];
  let pageToken = "";
  do {
    const page = await fetch(pageToken);
    all.push(...page.entries);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}
