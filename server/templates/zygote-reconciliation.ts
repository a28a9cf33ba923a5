import { type ProcessUid } from "../core/ids.js";
import { type EndReport, type KeptWorker } from "../processes/keeper.js";
import { phaseOf, type Zygote } from "./template-state.js";
import { type Template } from "./template-table.js";

/** What is to be done about one zygote of a template after a look at the keeper's table. */
export type ZygoteFinding =
  /** The keeper does not know it: one that was loading is begun anew, one that served has died with its keeper. */
  | { readonly kind: "gone"; readonly was: "loading" | "serving" | "leaving" }
  | { readonly kind: "ended"; readonly end: EndReport }
  /** It lives, and nobody wants it. */
  | { readonly kind: "superfluous" }
  /** One that an earlier daemon started serves on. */
  | { readonly kind: "found"; readonly zygote: Zygote }
  /** It has become ready while nobody was listening. */
  | { readonly kind: "loaded" }
  | { readonly kind: "as-known" };

export function findingOf(
  { record, state }: Template,
  uid: ProcessUid,
  known: KeptWorker | undefined,
): ZygoteFinding {
  const isLoading = state.loading?.uid === uid;
  const isServing = state.serving?.uid === uid;
  if (known === undefined) {
    return { kind: "gone", was: isLoading ? "loading" : isServing ? "serving" : "leaving" };
  }
  if (known.end !== null) return { kind: "ended", end: known.end };
  if (isLoading) return { kind: known.servesForks ? "loaded" : "as-known" };
  if (isServing) return { kind: "as-known" };
  const zygote = record.zygotes.find((each) => each.uid === uid);
  const isOfUse =
    zygote?.generation === record.generation || zygote?.generation === record.former?.generation;
  const servesOn = !record.deleted && known.servesForks && phaseOf(state) === "idle" && isOfUse;
  return servesOn && zygote !== undefined ? { kind: "found", zygote } : { kind: "superfluous" };
}
