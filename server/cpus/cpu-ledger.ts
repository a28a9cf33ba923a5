import { DomainError } from "../core/errors.js";
import { type CpuRequest } from "./cpu-request.js";
import { type CpuSet, formatCpuSet, sorted } from "./cpu-set.js";
import { type CpuSpace } from "./cpu-space.js";
import {
  isRestricted,
  leastLoaded,
  type Occupancy,
  plan,
  type Plan,
  type Refusal,
} from "./placement-plan.js";

/** A worker that is to run elsewhere from now on. */
export interface Move<Holder extends string = string> {
  readonly holder: Holder;
  readonly cpus: CpuSet;
}

export interface Assignment<Holder extends string = string> {
  /** Null: not pinned. */
  readonly cpus: CpuSet | null;
  /** Workers that make room: to be moved before the new one runs. */
  readonly moves: readonly Move<Holder>[];
}

export interface Holding {
  readonly request: CpuRequest;
  readonly cpus: CpuSet | null;
}

const RETRY_MS = 1000;

/**
 * Who sits where: the only owner of CPU assignments. What it holds is derived from the placements
 * in the process records, which are kept, so that it survives the daemon with them.
 *
 * Exclusive CPUs hold one worker. Shared workers are told to leave when their CPU becomes exclusive,
 * and those that are not pinned follow what is shared; workers that named their CPUs never move.
 */
export class CpuLedger<Holder extends string = string> implements Occupancy<Holder> {
  readonly space: CpuSpace;
  readonly #holdings = new Map<Holder, Holding>();
  /** Pinned holders by CPU, those of policy `none` left out. */
  readonly #seated = new Map<number, Set<Holder>>();
  readonly #floating = new Set<Holder>();
  readonly #owners = new Map<number, Holder>();
  #sharedSet: CpuSet;
  /** The shared set has changed since those that are not pinned were told. */
  #hasNews = false;

  constructor(space: CpuSpace) {
    this.space = space;
    this.#sharedSet = space.usable;
  }

  get sharedSet(): CpuSet {
    return this.#sharedSet;
  }

  /** Everyone who holds something, or is not pinned. */
  get holdings(): ReadonlyMap<Holder, Holding> {
    return this.#holdings;
  }

  get floating(): ReadonlySet<Holder> {
    return this.#floating;
  }

  plan(request: CpuRequest): Plan<Holder> {
    return plan(this, request);
  }

  /** Assigns CPUs to `holder` until `release`, or fails as the plan says. */
  assign(holder: Holder, request: CpuRequest): Assignment<Holder> {
    const found = this.plan(request);
    if (found.kind === "refused") throw refusalError(found.refusal);
    this.restore(holder, request, found.cpus);
    return { cpus: found.cpus, moves: request.kind === "exclusive" ? this.makeRoom() : [] };
  }

  /** Enters a placement that was made before, by an earlier daemon perhaps with other usable CPUs. */
  restore(holder: Holder, request: CpuRequest, cpus: CpuSet | null): void {
    this.#leave(holder);
    this.#holdings.set(holder, { request, cpus });
    if (request.kind === "none") {
      this.#floating.add(holder);
      return;
    }
    for (const cpu of cpus ?? []) {
      const seated = this.#seated.get(cpu) ?? new Set<Holder>();
      this.#seated.set(cpu, seated.add(holder));
      if (request.kind === "exclusive") this.#owners.set(cpu, holder);
    }
    if (request.kind === "exclusive") this.#countShared();
  }

  /** Gives back what `holder` has. Who moves for it is said by `settle`. */
  release(holder: Holder): void {
    if (this.#leave(holder)?.request.kind === "exclusive") this.#countShared();
  }

  /**
   * Puts things right after a release: whoever is not pinned may run on what is shared again, and
   * at most one shared worker moves, when otherwise one CPU had two more than another.
   */
  settle(): readonly Move<Holder>[] {
    const moves = this.makeRoom();
    if (moves.some(({ holder }) => !this.#floating.has(holder))) return moves;
    const move = this.#evenOut();
    return move === undefined ? moves : [...moves, move];
  }

  /**
   * Shared workers leave exclusive CPUs, and those that are not pinned follow the shared set. Done by
   * `assign` and `settle`; of use besides only for what was restored.
   */
  makeRoom(): readonly Move<Holder>[] {
    const moves: Move<Holder>[] = [];
    for (const [cpu] of this.#owners) {
      for (const holder of this.sharedBy(cpu)) {
        const move = this.#evict(holder);
        if (move !== undefined) moves.push(move);
      }
    }
    if (this.#hasNews && this.#sharedSet.length > 0) moves.push(...this.#tellFloating());
    return moves;
  }

  workersOn(cpu: number): number {
    return this.#seated.get(cpu)?.size ?? 0;
  }

  holdersOn(cpu: number): readonly Holder[] {
    return [...(this.#seated.get(cpu) ?? [])];
  }

  /** CPUs with somebody on them, also such as may not be used any more. */
  occupied(): CpuSet {
    return sorted([...this.#seated].filter(([, on]) => on.size > 0).map(([cpu]) => cpu));
  }

  exclusiveHolder(cpu: number): Holder | undefined {
    return this.#owners.get(cpu);
  }

  namedBy(cpu: number): readonly Holder[] {
    return this.#on(cpu, "explicit");
  }

  sharedBy(cpu: number): readonly Holder[] {
    return this.#on(cpu, "shared");
  }

  wideShared(): ReadonlyMap<Holder, number> {
    const wide = new Map<Holder, number>();
    for (const [holder, { request }] of this.#holdings) {
      if (request.kind === "shared" && request.count > 1) wide.set(holder, request.count);
    }
    return wide;
  }

  #on(cpu: number, kind: CpuRequest["kind"]): readonly Holder[] {
    return this.holdersOn(cpu).filter((one) => this.#holdings.get(one)?.request.kind === kind);
  }

  #leave(holder: Holder): Holding | undefined {
    const holding = this.#holdings.get(holder);
    if (holding === undefined) return undefined;
    this.#holdings.delete(holder);
    this.#floating.delete(holder);
    for (const cpu of holding.cpus ?? []) {
      this.#seated.get(cpu)?.delete(holder);
      if (this.#owners.get(cpu) === holder) this.#disown(cpu);
    }
    return holding;
  }

  /** Only after a crash there may be another: one of them has ended, and nobody knew yet. */
  #disown(cpu: number): void {
    const [heir] = this.#on(cpu, "exclusive");
    if (heir === undefined) this.#owners.delete(cpu);
    else this.#owners.set(cpu, heir);
  }

  #countShared(): void {
    this.#sharedSet = this.space.usable.filter((cpu) => !this.#owners.has(cpu));
    this.#hasNews = true;
  }

  #tellFloating(): readonly Move<Holder>[] {
    this.#hasNews = false;
    const isNarrow = isRestricted(this);
    const behind = [...this.#floating].filter((holder) => {
      const cpus = this.#holdings.get(holder)?.cpus ?? null;
      return cpus === null ? isNarrow : !same(cpus, this.#sharedSet);
    });
    return behind.map((holder) => this.#move(holder, this.#sharedSet));
  }

  #evict(holder: Holder): Move<Holder> | undefined {
    const cpus = this.#holdings.get(holder)?.cpus ?? [];
    const staying = cpus.filter((cpu) => !this.#owners.has(cpu));
    const others = this.#sharedSet.filter((cpu) => !staying.includes(cpu));
    const found = leastLoaded(others, cpus.length - staying.length, (cpu) => this.workersOn(cpu));
    const target = sorted([...staying, ...found]);
    // Nothing is shared: possible only after the operator has taken CPUs away.
    return target.length === 0 || same(target, cpus) ? undefined : this.#move(holder, target);
  }

  #evenOut(): Move<Holder> | undefined {
    const [emptiest] = leastLoaded(this.#sharedSet, 1, (cpu) => this.workersOn(cpu));
    if (emptiest === undefined) return undefined;
    const few = this.workersOn(emptiest);
    const crowded = this.#sharedSet
      .filter((cpu) => this.workersOn(cpu) > few + 1)
      .sort((a, b) => this.workersOn(b) - this.workersOn(a) || a - b);
    for (const cpu of crowded) {
      for (const holder of this.#seated.get(cpu) ?? []) {
        const holding = this.#holdings.get(holder);
        if (holding?.request.kind !== "shared" || holding.cpus?.includes(emptiest)) continue;
        const staying = (holding.cpus ?? []).filter((one) => one !== cpu);
        return this.#move(holder, sorted([...staying, emptiest]));
      }
    }
    return undefined;
  }

  #move(holder: Holder, cpus: CpuSet): Move<Holder> {
    const request = this.#holdings.get(holder)?.request ?? { kind: "none" };
    this.restore(holder, request, cpus);
    return { holder, cpus };
  }
}

export function refusalError({ code, message, facts, isTemporary }: Refusal): DomainError {
  return new DomainError(code, message, {
    facts,
    ...(isTemporary ? { retryAfterMs: RETRY_MS } : {}),
  });
}

function same(a: CpuSet, b: CpuSet): boolean {
  return formatCpuSet(a) === formatCpuSet(b);
}
