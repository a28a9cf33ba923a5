import { type ProcessUid } from "../core/ids.js";
import { type TemplateFailure, type ZygoteReport } from "./zygote-report.js";

/**
 * What has become of a template, as a pure function of what happens to its zygotes. There is at most one zygote that
 * serves and one that loads; others are on their way out, and nobody waits for them.
 */
export interface TemplateState {
  /** Counts changes of the spec. */
  readonly newest: number;
  readonly serving: Serving | null;
  readonly loading: Zygote | null;
  /** The newest generation cannot be forked on this host: its processes are spawned. */
  readonly fallback: {
    readonly generation: number;
    readonly why: string;
    readonly report: ZygoteReport;
  } | null;
  /** Why the newest generation is not there. */
  readonly failure: {
    readonly generation: number;
    readonly failure: TemplateFailure;
    /** It is tried again: see the event. */
    readonly passes: boolean;
  } | null;
  /** A zygote is started when the delay is over. */
  readonly retrying: boolean;
  /** Deaths in a row of zygotes that served for less than a minute. */
  readonly deaths: number;
  readonly restarts: number;
  /** The newest generation that has ever served. */
  readonly proven: number;
}

export interface Zygote {
  readonly uid: ProcessUid;
  readonly generation: number;
}

export interface Serving extends Zygote {
  readonly report: ZygoteReport;
  /** On the monotonic clock. */
  readonly sinceMs: number;
}

/** `fresh` is an id for the zygote that may be started. */
export type TemplateEvent =
  /** Somebody needs it. */
  | { readonly kind: "wanted"; readonly fresh: ProcessUid }
  | { readonly kind: "changed"; readonly fresh: ProcessUid }
  /** The parent's zygote is another one, or the one that was loading has got lost: the same again. */
  | { readonly kind: "reload"; readonly fresh: ProcessUid }
  /** One that an earlier daemon started is there, and says that it is ready. */
  | { readonly kind: "found"; readonly zygote: Zygote }
  | {
      readonly kind: "loaded";
      readonly uid: ProcessUid;
      readonly report: ZygoteReport;
      readonly nowMs: number;
    }
  | {
      readonly kind: "failed";
      readonly uid: ProcessUid;
      readonly failure: TemplateFailure;
      /** It is the host's fault and not the template's, such as a full disk. */
      readonly passes: boolean;
    }
  | {
      readonly kind: "died";
      readonly uid: ProcessUid;
      readonly nowMs: number;
      readonly failure: TemplateFailure;
    }
  | { readonly kind: "retry-due"; readonly fresh: ProcessUid }
  | { readonly kind: "deleted" };

export type TemplateEffect =
  | { readonly kind: "start"; readonly zygote: Zygote }
  | { readonly kind: "end"; readonly uid: ProcessUid }
  | { readonly kind: "retry-in"; readonly delayMs: number }
  /** Another zygote serves, or processes are spawned from now on. */
  | { readonly kind: "serve" }
  /** Nothing serves, and nothing will soon. */
  | { readonly kind: "refuse"; readonly failure: TemplateFailure };

export type TemplateStep = readonly [TemplateState, readonly TemplateEffect[]];

const STABLE_MS = 60_000;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;

/** `proven`: the newest generation that is known to have served, or 0. */
export function idle(newest: number, proven = 0): TemplateState {
  return {
    newest,
    serving: null,
    loading: null,
    fallback: null,
    failure: null,
    retrying: false,
    deaths: 0,
    restarts: 0,
    proven,
  };
}

export type Phase = "idle" | "starting" | "ready" | "failed";

export function phaseOf(state: TemplateState): Phase {
  if (state.serving !== null || state.fallback !== null) return "ready";
  if (state.loading !== null || state.retrying) return "starting";
  return state.failure === null ? "idle" : "failed";
}

/** The newest generation is ready or has failed: nothing is under way. */
export function isSettled(state: TemplateState): boolean {
  return state.loading === null && !state.retrying && phaseOf(state) !== "idle";
}

export function step(state: TemplateState, event: TemplateEvent): TemplateStep {
  switch (event.kind) {
    case "wanted":
      return phaseOf(state) === "idle" ? load(state, event.fresh) : [state, []];
    case "changed":
      return load({ ...state, newest: state.newest + 1, deaths: 0 }, event.fresh);
    case "reload":
      return phaseOf(state) === "idle" ? [state, []] : load(state, event.fresh);
    case "found":
      if (state.serving !== null || state.loading !== null) return [state, []];
      return [{ ...state, loading: event.zygote, proven: event.zygote.generation }, []];
    case "loaded":
      return loaded(state, event.uid, event.report, event.nowMs);
    case "failed":
      return failed(state, event);
    case "died":
      return died(state, event);
    case "retry-due":
      if (!state.retrying) return [state, []];
      return state.loading === null
        ? load({ ...state, retrying: false }, event.fresh, generationToTry(state))
        : [{ ...state, retrying: false }, []];
    case "deleted":
      return [idle(state.newest), ends(state.serving, state.loading)];
  }
}

/** Starts a zygote; what serves goes on until that is ready. */
function load(
  state: TemplateState,
  fresh: ProcessUid,
  generation: number = state.newest,
): TemplateStep {
  const loading = { uid: fresh, generation };
  const failure = generation === state.newest ? null : state.failure;
  return [
    { ...state, loading, failure, retrying: false },
    [...ends(state.loading), { kind: "start", zygote: loading }],
  ];
}

/** The newest, but for one that failed and left its place to the one before. */
function generationToTry({ newest, proven, failure }: TemplateState): number {
  const hasFailed = failure?.generation === newest && !failure.passes;
  return hasFailed && proven > 0 ? proven : newest;
}

function loaded(
  state: TemplateState,
  uid: ProcessUid,
  report: ZygoteReport,
  nowMs: number,
): TemplateStep {
  const { loading, serving } = state;
  if (loading?.uid !== uid) return [state, []];
  const { generation } = loading;
  const isNewest = generation === state.newest;
  const failure = isNewest ? null : state.failure;
  // Where an earlier daemon left it like that, the newest is yet to be tried.
  const retrying = !isNewest && failure === null;
  const rest = { ...state, loading: null, failure, retrying, proven: generation };
  const effects: readonly TemplateEffect[] = [
    ...ends(serving),
    { kind: "serve" },
    ...(retrying ? [{ kind: "retry-in", delayMs: 0 } as const] : []),
  ];
  return report.canFork
    ? [{ ...rest, serving: { uid, generation, report, sinceMs: nowMs }, fallback: null }, effects]
    : [{ ...rest, serving: null, fallback: { generation, why: report.why, report } }, effects];
}

function failed(
  state: TemplateState,
  { uid, failure, passes }: Omit<Extract<TemplateEvent, { kind: "failed" }>, "kind">,
): TemplateStep {
  const { loading } = state;
  if (loading?.uid !== uid) return [state, []];
  const { generation } = loading;
  const isNewest = generation === state.newest;
  const why = isNewest ? { generation, failure, passes } : state.failure;
  const rest = { ...state, loading: null, failure: why };
  // It has worked before: what is wrong may pass.
  if (state.proven === generation && state.serving === null) return retry(rest);
  const nothing = state.serving === null && state.fallback === null;
  const refused: readonly TemplateEffect[] = nothing ? [{ kind: "refuse", failure }] : [];
  // The one before serves in its place.
  if (nothing && !passes && state.proven > 0) return retry(rest);
  if (!passes) return [rest, refused];
  const [next, effects] = retry(rest);
  return [next, [...refused, ...effects]];
}

function died(
  state: TemplateState,
  { uid, nowMs, failure }: Extract<TemplateEvent, { kind: "died" }>,
): TemplateStep {
  if (state.loading?.uid === uid) return failed(state, { uid, failure, passes: false });
  if (state.serving?.uid !== uid) return [state, []];
  const stable = nowMs - state.serving.sinceMs >= STABLE_MS;
  const rest = {
    ...state,
    serving: null,
    restarts: state.restarts + 1,
    deaths: stable ? 0 : state.deaths,
  };
  // A newer one is on its way, and will serve.
  return state.loading === null ? retry(rest) : [rest, []];
}

/** The first time at once, then ever later. */
function retry(state: TemplateState): TemplateStep {
  const delayMs =
    state.deaths === 0 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (state.deaths - 1));
  return [{ ...state, retrying: true, deaths: state.deaths + 1 }, [{ kind: "retry-in", delayMs }]];
}

function ends(...zygotes: readonly (Zygote | null)[]): readonly TemplateEffect[] {
  return zygotes.flatMap((zygote) => (zygote === null ? [] : [{ kind: "end", uid: zygote.uid }]));
}
