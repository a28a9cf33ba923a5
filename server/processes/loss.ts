import { type Loss, type LostReason } from "./process-state.js";

export function lossOf(reason: LostReason, endTimeMs: number): Loss {
  return { reason, message: MESSAGES[reason], endTimeMs };
}

const MESSAGES: Readonly<Record<LostReason, string>> = {
  reboot: "The host was restarted while the worker ran",
  "keeper-died": "The keeper died, and the kernel keeps no exit status without it",
  "namespace-gone": "The pid namespace that the worker lived in is gone",
  "record-damaged": "The record of how it ended was damaged on disk",
};
