import { type ProcessUid } from "../core/ids.js";
import {
  type EndReport,
  type KeeperEvents,
  type KeptWorker,
  type SpawnFailure,
} from "../processes/keeper.js";
import { type KeeperIdentity, type Worker } from "../processes/process-state.js";
import { type Moments } from "../processes/start-timings.js";
import { type ZygoteSupervisor } from "./zygote-supervisor.js";

/** Tells zygotes and what they hold in advance from processes, and each its own news. */
export class KeeperRouter implements KeeperEvents {
  readonly #processes: KeeperEvents;
  readonly #zygotes: ZygoteSupervisor;

  constructor(processes: KeeperEvents, zygotes: ZygoteSupervisor) {
    this.#processes = processes;
    this.#zygotes = zygotes;
  }

  connected(identity: KeeperIdentity, workers: readonly KeptWorker[]): void {
    const isZygote = (worker: KeptWorker): boolean => this.#zygotes.owns(worker);
    const zygotes = workers.filter(isZygote);
    this.#processes.connected(
      identity,
      workers.filter((worker) => !isZygote(worker)),
    );
    this.#zygotes.connected(zygotes);
  }

  disconnected(): void {
    this.#processes.disconnected();
  }

  spawned(uid: ProcessUid, worker: Worker): void {
    if (this.#isZygote(uid)) this.#zygotes.spawned(uid, worker);
    else this.#processes.spawned(uid, worker);
  }

  spawnFailed(uid: ProcessUid, failure: SpawnFailure): void {
    if (this.#isZygote(uid)) this.#zygotes.spawnFailed(uid, failure);
    else this.#processes.spawnFailed(uid, failure);
  }

  exited(uid: ProcessUid, end: EndReport): void {
    if (this.#isZygote(uid)) this.#zygotes.exited(uid, end);
    else this.#processes.exited(uid, end);
  }

  treeGone(uid: ProcessUid): void {
    if (!this.#isZygote(uid)) this.#processes.treeGone(uid);
  }

  stdinReady(uid: ProcessUid): void {
    this.#processes.stdinReady(uid);
  }

  born(uid: ProcessUid): void {
    this.#zygotes.born(uid);
  }

  serving(uid: ProcessUid, serves: boolean): void {
    if (this.#isZygote(uid)) this.#zygotes.serving(uid, serves);
    else this.#processes.serving(uid, serves);
  }

  called(uid: ProcessUid, moments: Moments): void {
    this.#processes.called(uid, moments);
  }

  #isZygote(uid: ProcessUid): boolean {
    return this.#zygotes.owns({ uid, held: false });
  }
}
