import { type Recipe } from "../processes/fork-servers.js";
import { type SpawnFailure } from "../processes/keeper.js";
import { type ExitOutcome } from "../processes/process-state.js";
import { signalName } from "../processes/signals.js";
import { failureOf, type TemplateFailure } from "./zygote-report.js";

/** It never became a fork server. */
export function notStarted(
  { step, errno, message }: SpawnFailure,
  { interpreter, workingDir, runAs }: Pick<Recipe, "interpreter" | "workingDir" | "runAs">,
): TemplateFailure {
  const more = message === "" ? "" : `: ${message}`;
  if (step === "exec") return failureOf(`Its interpreter ${interpreter} cannot be run: ${errno}`);
  if (step === "cwd")
    return failureOf(`Its working directory ${workingDir ?? "/"} cannot be entered: ${errno}`);
  // Whatever its interpreter is, it did not get as far as to be a zygote.
  if (step === "specification" && errno === "EINTR")
    return failureOf(`Its interpreter ${interpreter} ended before it could begin${more}`);
  if (step === "user" || (step === "request" && errno === "EPERM"))
    return failureOf(`The keeper's policy does not let it run as ${runAs ?? "its own user"}`);
  return failureOf(`Its zygote could not be started: ${step} failed with ${errno}${more}`);
}

/** Null: nobody knows how it ended. */
export function ended(outcome: ExitOutcome | null, stderrTail = ""): TemplateFailure {
  return failureOf(`Its zygote ${howEnded(outcome)}`, stderrTail);
}

function howEnded(outcome: ExitOutcome | null): string {
  if (outcome === null) return "is gone, and nobody knows how";
  return outcome.kind === "code"
    ? `exited with ${outcome.code}`
    : `was killed by ${signalName(outcome.number)}`;
}
