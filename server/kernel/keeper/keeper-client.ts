import { type ProcessUid } from "../../core/ids.js";
import { type CpuSet } from "../../cpus/cpu-set.js";
import {
  type Adoption,
  type AdoptionTerms,
  type ForkOrder,
  type GoOrder,
  type Keeper,
  type KeeperEvents,
  type SpawnOrder,
  type StdinAnswer,
} from "../../processes/keeper.js";
import { type LogOffset, type LogStreamName } from "../../processes/output.js";
import { type Worker } from "../../processes/process-state.js";
import { type Controller } from "../../processes/tree-limits.js";
import { type KeeperConnection, unreachable } from "./keeper-connection.js";
import {
  decodeEnd,
  decodeKeptWorker,
  decodeMoments,
  decodeServing,
  decodeSpawnFailure,
  decodeUid,
  decodeWelcome,
  decodeWorker,
  errnoOf,
  type KeeperWelcome,
  unexpectedError,
} from "./keeper-decode.js";
import {
  adoptionFields,
  forkFields,
  goFields,
  holdFields,
  seenField,
  spawnFields,
  spawnHeldFields,
} from "./keeper-encode.js";
import { Fields, field } from "./keeper-fields.js";
import { type Field, type Frame, FrameType, Tag } from "./keeper-frame.js";

const PROTOCOL_VERSION = 1;

/** Speaks the keeper protocol over whatever connection there is at the moment. */
export class KeeperClient implements Keeper {
  /** Null until a keeper has said who it is. */
  #connection: KeeperConnection | null = null;
  #welcome: KeeperWelcome | null = null;
  #events: KeeperEvents | null = null;
  /** Notices that came right behind the list, in the same read. */
  #early: Frame[] = [];

  /** Of the keeper that is connected now, or was last. */
  get welcome(): KeeperWelcome | null {
    return this.#welcome;
  }

  get isConnected(): boolean {
    return this.#connection !== null;
  }

  /** Greets the keeper, learns about every worker, and from then on tells the events. */
  async begin(connection: KeeperConnection, events: KeeperEvents): Promise<KeeperWelcome> {
    this.#early = [];
    const welcome = await greet(connection);
    const workers = await connection.request(FrameType.list, []);
    this.#welcome = welcome;
    this.#connection = connection;
    this.#events = events;
    const kept = workers.map((frame) => decodeKeptWorker(frame, welcome.identity));
    events.connected(welcome.identity, kept);
    for (const frame of this.#early.splice(0)) this.notice(frame);
    return welcome;
  }

  /** The connection is gone. */
  end(): void {
    if (this.#connection === null) return;
    this.#connection = null;
    this.#events?.disconnected();
  }

  /** A frame that nobody asked for. The keeper sends none before the list. */
  notice(frame: Frame): void {
    const identity = this.#welcome?.identity;
    const events = this.#events;
    if (this.#connection === null || identity === undefined || events === null) {
      this.#early.push(frame);
      return;
    }
    switch (frame.type) {
      case FrameType.spawned:
        events.spawned(decodeUid(frame), decodeWorker(frame, identity));
        return;
      case FrameType.spawnFailed:
        events.spawnFailed(decodeUid(frame), decodeSpawnFailure(frame));
        return;
      case FrameType.exited:
        events.exited(decodeUid(frame), decodeEnd(frame));
        return;
      case FrameType.treeGone:
        events.treeGone(decodeUid(frame));
        return;
      case FrameType.stdinReady:
        events.stdinReady(decodeUid(frame));
        return;
      case FrameType.born:
        events.born(decodeUid(frame));
        return;
      case FrameType.serving:
        events.serving(decodeUid(frame), decodeServing(frame));
        return;
      case FrameType.firstLine:
        events.called(decodeUid(frame), decodeMoments(frame));
        return;
      default:
        // A later keeper may tell more than this daemon asks for.
        return;
    }
  }

  spawn(order: SpawnOrder): void {
    if (this.#connection === null) throw unreachable();
    this.#connection.send(FrameType.spawn, spawnFields(order));
  }

  fork(order: ForkOrder): void {
    if (this.#connection === null) throw unreachable();
    this.#connection.send(FrameType.fork, forkFields(order));
  }

  hold(uid: ProcessUid, server: ProcessUid): void {
    if (this.#connection === null) throw unreachable();
    this.#connection.send(FrameType.fork, holdFields(uid, server));
  }

  spawnHeld(order: SpawnOrder): void {
    if (this.#connection === null) throw unreachable();
    this.#connection.send(FrameType.spawn, spawnHeldFields(order));
  }

  go(order: GoOrder): void {
    if (this.#connection === null) throw unreachable();
    this.#connection.send(FrameType.go, goFields(order));
  }

  async release(uid: ProcessUid): Promise<boolean> {
    const answer = await this.#request(FrameType.unserve, [field.uid(Tag.id, uid)]);
    if (answer.type === FrameType.error && errnoOf(answer) === "EINVAL") return false;
    return succeeded(answer, "UNSERVE", "ESRCH");
  }

  enforces(controller: Controller): boolean {
    return this.#welcome?.features.controllers.includes(controller) ?? false;
  }

  async signal(uid: ProcessUid, signal: number, scope: "worker" | "tree"): Promise<boolean> {
    const answer = await this.#request(FrameType.signal, [
      field.uid(Tag.id, uid),
      field.u32(Tag.signal, signal),
      field.u32(Tag.scope, scope === "tree" ? 1 : 0),
    ]);
    return succeeded(answer, "SIGNAL", "ESRCH");
  }

  async acknowledgeExit(uid: ProcessUid): Promise<void> {
    const answer = await this.#request(FrameType.ackExit, [field.uid(Tag.id, uid)]);
    // ESRCH: it has been acknowledged before.
    succeeded(answer, "ACK_EXIT", "ESRCH");
  }

  writeStdin(uid: ProcessUid, offset: bigint, data: Uint8Array): Promise<StdinAnswer> {
    return this.#stdin([
      field.uid(Tag.id, uid),
      field.u64(Tag.offset, offset),
      field.bytes(Tag.data, data),
    ]);
  }

  closeStdin(uid: ProcessUid): Promise<StdinAnswer> {
    // Offset 0 without data is always in order.
    return this.#stdin([
      field.uid(Tag.id, uid),
      field.u64(Tag.offset, 0n),
      field.u32(Tag.close, 1),
    ]);
  }

  async scanLogs(uid: ProcessUid, stream: LogStreamName, seen: LogOffset): Promise<boolean> {
    const answer = await this.#request(FrameType.scanLogs, [
      field.uid(Tag.id, uid),
      seenField(stream, seen),
    ]);
    return succeeded(answer, "SCAN_LOGS", "ESRCH");
  }

  async removeOutput(uid: ProcessUid): Promise<void> {
    const answer = await this.#request(FrameType.remove, [field.uid(Tag.id, uid)]);
    succeeded(answer, "REMOVE");
  }

  async pin(uid: ProcessUid, cpus: CpuSet): Promise<boolean> {
    const answer = await this.#request(FrameType.pin, [
      field.uid(Tag.id, uid),
      field.cpus(Tag.cpus, cpus),
    ]);
    return succeeded(answer, "PIN", "ESRCH");
  }

  async adopt(uid: ProcessUid, worker: Worker, terms: AdoptionTerms): Promise<Adoption | null> {
    const answer = await this.#request(FrameType.adopt, [
      field.uid(Tag.id, uid),
      field.u32(Tag.pid, worker.pid),
      field.u64(Tag.startTicks, worker.startTicks),
      ...adoptionFields(terms),
    ]);
    if (!succeeded(answer, "ADOPT", "ESRCH")) return null;
    const fields = new Fields(answer);
    return { cgroup: fields.has(Tag.cgroup) ? fields.text(Tag.cgroup) : null };
  }

  /** Ends the keeper if it has no workers; false when it has. */
  async shutDown(): Promise<boolean> {
    const answer = await this.#request(FrameType.shutdown, []);
    return succeeded(answer, "SHUTDOWN", "EBUSY");
  }

  /** Replaces the program of the keeper; its workers do not notice. */
  async upgrade(path: string): Promise<void> {
    const answer = await this.#request(FrameType.upgrade, [field.text(Tag.path, path)]);
    succeeded(answer, "UPGRADE");
  }

  async #request(type: number, fields: readonly Field[]): Promise<Frame> {
    if (this.#connection === null) throw unreachable();
    return only(await this.#connection.request(type, fields));
  }

  async #stdin(fields: readonly Field[]): Promise<StdinAnswer> {
    const answer = await this.#request(FrameType.writeStdin, fields);
    if (answer.type === FrameType.stdin) {
      return { kind: "accepted", nextOffset: new Fields(answer).u64(Tag.offset) };
    }
    switch (errnoOf(answer)) {
      case "ERANGE":
        return { kind: "gap", nextOffset: new Fields(answer).u64(Tag.offset) };
      case "EPIPE":
        return { kind: "not-open" };
      case "ESRCH":
        return { kind: "ended" };
      default:
        throw unexpectedError(answer, "WRITE_STDIN");
    }
  }
}

async function greet(connection: KeeperConnection): Promise<KeeperWelcome> {
  const answer = only(
    await connection.request(FrameType.hello, [
      field.u32(Tag.versionMin, PROTOCOL_VERSION),
      field.u32(Tag.versionMax, PROTOCOL_VERSION),
    ]),
  );
  if (answer.type !== FrameType.welcome) throw unexpectedError(answer, "HELLO");
  return decodeWelcome(answer);
}

/** False when the keeper answers with `expected`, which is not a fault. */
function succeeded(answer: Frame, request: string, expected?: string): boolean {
  if (answer.type !== FrameType.error) return true;
  if (expected !== undefined && errnoOf(answer) === expected) return false;
  throw unexpectedError(answer, request);
}

function only(frames: readonly Frame[]): Frame {
  const [frame] = frames;
  if (frame === undefined) throw new Error("The keeper sent an empty answer");
  return frame;
}
