import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type CleanupStack } from "../core/cleanup-stack.js";
import { KeptProcesses } from "../journal/kept-processes.js";
import { KeptTemplates } from "../journal/kept-templates.js";
import { KeyedStore } from "../journal/keyed-store.js";
import { lockState } from "../kernel/state-lock.js";
import { type Logger } from "../observability/logger.js";
import { type RecoveredState } from "../processes/record-store.js";
import { type TemplateRecord } from "../templates/template-record.js";

/** What an earlier daemon kept, and where this one keeps it. */
export interface State {
  readonly isDamaged: boolean;
  readonly processes: KeptProcesses;
  readonly recovered: RecoveredState;
  readonly templates: KeptTemplates;
  readonly templateRecords: readonly TemplateRecord[];
}

export async function openState(
  stateDir: string,
  log: Logger,
  cleanup: CleanupStack,
): Promise<State> {
  await mkdir(stateDir, { recursive: true, mode: 0o750 });
  const lock = lockState(stateDir);
  cleanup.defer(() => {
    lock[Symbol.dispose]();
  });
  const directory = join(stateDir, "journal");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const store = cleanup.use(await KeyedStore.open({ directory, log }));
  const processes = new KeptProcesses(store);
  const recovered = processes.recover();
  const templates = new KeptTemplates(store);
  const { records, unreadable } = templates.recover();
  for (const { key, error } of [...recovered.unreadable, ...unreadable]) {
    log.error("record unreadable", { key, error });
  }
  const damages = store.recovered.quarantined.length + recovered.unreadable.length;
  if (damages > 0) log.error("records were damaged: output without a record is kept", { damages });
  return { isDamaged: damages > 0, processes, recovered, templates, templateRecords: records };
}
