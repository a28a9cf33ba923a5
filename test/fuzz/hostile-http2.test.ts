import assert from "node:assert/strict";
import { inFlight } from "../integration/daemon/support/in-flight.js";
import { descriptorCount, rssBytes } from "../integration/daemon/support/proc-fs.js";
import { checkStillWorks } from "../integration/faults/still-works.js";
import { eventually } from "../support/eventually.js";
import { attack } from "./support/attack.js";
import { Bystander } from "./support/bystander.js";
import { grpcAttacks } from "./support/grpc-attacks.js";
import { type Attack, floods, garbage, malformed } from "./support/http2-attacks.js";
import {
  type Listener,
  type ListeningDaemon,
  startPlain,
  startTls,
} from "./support/listening-daemon.js";
import { Random } from "./support/random.js";

const isSoak = process.env["FORKBUS_SOAK"] !== undefined;
const SEED = Number(process.env["FORKBUS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
/** How often each attack is made, for those that have something random. */
const ROUNDS = isSoak ? 20 : 1;
/** Of frames in a flood. */
const TIMES = isSoak ? 20_000 : 2000;
const CONCURRENT_ATTACKS = 6;
const QUEUE = "bystanders";
const MIB = 1024 * 1024;
const GROWTH_BYTES = 192 * MIB;

const env = { NODE_OPTIONS: "--max-semi-space-size=1 --max-old-space-size=256" };

const ALL: Readonly<Record<string, Readonly<Record<string, Attack>>>> = {
  garbage,
  "malformed frames": malformed,
  floods,
  "gRPC that is wrong": grpcAttacks,
};

/** Makes all attacks, each with its own connection. Resolves to those that the daemon let hang. */
async function attackAll(
  listener: Listener,
  attacks: Readonly<Record<string, Attack>>,
): Promise<readonly string[]> {
  const failed: string[] = [];
  const rounds = Array.from({ length: ROUNDS }, (_, round) =>
    Object.entries(attacks).map(([name, make]) => ({ name, make, round })),
  ).flat();
  await inFlight(CONCURRENT_ATTACKS, rounds, async ({ name, make, round }) => {
    const random = new Random(SEED, name, round);
    const ending = random.chance(0.8) ? "end" : "break";
    try {
      await attack(listener.connect(), make(random, TIMES), ending);
    } catch (error) {
      failed.push(`${name} (${ending}): ${String(error)}`);
    }
  });
  return failed;
}

for (const [title, start] of Object.entries({ "without TLS": startPlain, "with TLS": startTls })) {
  describe(`a client that attacks a daemon ${title}`, () => {
    const names =
      title === "with TLS"
        ? ["TCP with TLS, before the handshake", "TCP with TLS, within the session"]
        : ["the Unix socket", "loopback TCP"];
    let listening: ListeningDaemon;
    let first: { readonly pid: number; readonly keeperPid: number | undefined };
    let atStart: { readonly memory: number; readonly descriptors: number };

    before(async () => {
      listening = await start({ env });
      const { daemon } = listening;
      first = { pid: daemon.pid, keeperPid: daemon.keeperPid };
      await daemon.queues.createQueue({ queue: { name: QUEUE } });
      await checkStillWorks(daemon, first);
      atStart = { memory: rssBytes(daemon.pid), descriptors: descriptorCount(daemon.pid) };
    });
    after(async () => {
      await listening[Symbol.asyncDispose]();
    });

    for (const where of names) {
      for (const [what, attacks] of Object.entries(ALL)) {
        it(`harms no other client by ${what}, on ${where}`, async () => {
          const listener = listening.listeners[where];
          assert.ok(listener !== undefined);
          const bystander = new Bystander(listener.client(), QUEUE);
          const failed = await attackAll(listener, attacks);
          const { calls, p99Ms } = await bystander.done();
          if (isSoak) {
            process.stdout.write(`      ${calls} calls of others, p99 ${p99Ms.toFixed(1)} ms\n`);
          }
          assert.deepEqual(failed, [], `FORKBUS_SEED=${SEED}`);
          assert.doesNotMatch(listening.daemon.log, /"level":"error"/);
        });
      }
    }

    it("leaves nothing else behind", async () => {
      const { daemon } = listening;
      await daemon.queues.deleteQueue({ name: QUEUE });
      await eventually(
        async () => (await daemon.admin.getServerStatus({})).connections,
        (connections) => connections === 1,
        { what: "all other connections to be closed" },
      );
      await eventually(
        () => descriptorCount(daemon.pid),
        (descriptors) => descriptors <= atStart.descriptors,
        { what: `the daemon to have ${atStart.descriptors} descriptors again` },
      );
      const grown = rssBytes(daemon.pid) - atStart.memory;
      if (isSoak) process.stdout.write(`      ${Math.round(grown / MIB)} MiB more than before\n`);
      assert.ok(grown < GROWTH_BYTES, `grown by ${Math.round(grown / MIB)} MiB`);
      await checkStillWorks(daemon, first);
    });
  });
}
