import { FullPolicy, type Queue, QueueState } from "../../proto/gen/forkbus/v1/queue.js";
import { enumName } from "./enum-name.js";
import { humanBytes, humanDuration, plural } from "./human.js";
import { localTime } from "./instant.js";
import { type Column } from "./table.js";

/** The columns of `queue ls`. */
export const queueColumns: readonly Column<Queue>[] = [
  { title: "NAME", text: (queue) => queue.name },
  { title: "STATE", text: stateText },
  { title: "ITEMS", align: "right", text: (queue) => `${itemsOf(queue)}` },
  { title: "LIMIT", align: "right", text: (queue) => limitText(queue.spec?.maxItems) },
  { title: "SIZE", align: "right", text: (queue) => humanBytes(queue.status?.storedBytes ?? 0n) },
  { title: "PUT", align: "right", text: (queue) => `${queue.status?.put ?? 0n}` },
  { title: "TAKEN", align: "right", text: (queue) => `${queue.status?.acked ?? 0n}` },
  {
    title: "WAITING",
    align: "right",
    text: ({ status }) => `${(status?.waitingGets ?? 0) + (status?.waitingPuts ?? 0)}`,
  },
];

/** A queue for people: names and values, without those that say nothing. */
export function queueFields(queue: Queue): readonly (readonly [string, string])[] {
  const { spec, status } = queue;
  const all: readonly (readonly [string, string])[] = [
    ["Name", queue.name],
    ["Uid", queue.uid],
    ["Owner", queue.owner],
    [
      "Labels",
      Object.entries(queue.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
    ],
    ["Created", queue.createTime === undefined ? "" : localTime(queue.createTime)],
    ["State", stateText(queue)],
    ["Items", `${status?.ready ?? 0n} ready, ${status?.untaken ?? 0n} sent and not taken yet`],
    [
      "Size",
      `${humanBytes(status?.storedBytes ?? 0n)} of at most ${humanBytes(spec?.maxBytes ?? 0n)}`,
    ],
    ["Limit", `${itemLimitText(spec?.maxItems)}; when full: ${fullText(queue)}`],
    [
      "Oldest",
      (status?.ready ?? 0n) > 0n ? humanDuration(Number(status?.oldestReadyMs ?? 0n)) : "",
    ],
    ["Put", `${status?.put ?? 0n} since it was made`],
    ["Taken", `${status?.acked ?? 0n}`],
    ["Dropped", (status?.dropped ?? 0n) > 0n ? `${status?.dropped ?? 0n} by shutdown` : ""],
    ["Consumers", `${status?.consumers ?? 0}`],
    ["Waiting", `${status?.waitingGets ?? 0} to get, ${status?.waitingPuts ?? 0} to put`],
  ];
  return all.filter(([, value]) => value !== "");
}

function itemsOf({ status }: Queue): bigint {
  return (status?.ready ?? 0n) + (status?.untaken ?? 0n);
}

function stateText({ status }: Queue): string {
  return enumName(QueueState, status?.state ?? 0)
    .toLowerCase()
    .replace("_", " ");
}

function limitText(limit: bigint | undefined): string {
  return limit === undefined || limit === 0n ? "no limit" : `${limit}`;
}

function itemLimitText(limit: bigint | undefined): string {
  return limit === undefined || limit === 0n ? "any number of items" : plural(limit, "item");
}

function fullText({ spec }: Queue): string {
  return spec?.fullPolicy === FullPolicy.REJECT ? "refuse" : "wait";
}
