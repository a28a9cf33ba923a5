import { type ProcessUid } from "../core/ids.js";
import { type LogStreamName } from "./output.js";
import { type ProcessRecord } from "./process-record.js";
import { type LogExtent, type OutputExtents, treeHasEnded } from "./process-state.js";

export interface ExtentReader {
  /** What can be read of it now. */
  extent(uid: ProcessUid, stream: LogStreamName): Promise<LogExtent>;
}

/** How much output there is: of what has ended the record knows; of what lives, or was lost, the files do. */
export async function outputPositions(
  files: ExtentReader,
  { uid, state }: ProcessRecord,
): Promise<OutputExtents> {
  if (state.kind === "exited" && treeHasEnded(state)) return state.exit.output;
  const [stdout, stderr] = await Promise.all([
    files.extent(uid, "stdout"),
    files.extent(uid, "stderr"),
  ]);
  return { stdout, stderr };
}
