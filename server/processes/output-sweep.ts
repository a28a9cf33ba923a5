import { type ProcessUid } from "../core/ids.js";
import { type Keeper } from "./keeper.js";

export interface OutputSweepParts {
  /** Processes of which there is output. */
  readonly found: readonly ProcessUid[];
  readonly isKnown: (uid: ProcessUid) => boolean;
  readonly keeper: Pick<Keeper, "removeOutput">;
  readonly log: { warn(message: string, fields: Readonly<Record<string, unknown>>): void };
}

/** Has output removed whose record went when a daemon died before it could remove the files. */
export async function sweepOutput({
  found,
  isKnown,
  keeper,
  log,
}: OutputSweepParts): Promise<void> {
  for (const uid of found) {
    if (isKnown(uid)) continue;
    await keeper.removeOutput(uid).catch((error: unknown) => {
      log.warn("old output cannot be removed", { uid, error });
    });
  }
}
