import { FullPolicy, type Queue, QueueState } from "../../proto/gen/forkbus/v1/queue.js";
import { enumName } from "./enum-name.js";
import { rfc3339 } from "./instant.js";
import { type JsonValue } from "./json.js";

/** A queue with the field names of the API; what is not set is left out. */
export function queueJson(queue: Queue): JsonValue {
  const { spec, status } = queue;
  return {
    name: queue.name,
    uid: queue.uid,
    revision: queue.revision,
    labels: queue.labels,
    owner: queue.owner,
    create_time: rfc3339(queue.createTime),
    spec: spec && {
      max_items: spec.maxItems,
      max_bytes: spec.maxBytes,
      full_policy: enumName(FullPolicy, spec.fullPolicy) || "BLOCK",
    },
    status: status && {
      state: enumName(QueueState, status.state),
      ready: status.ready,
      untaken: status.untaken,
      stored_bytes: status.storedBytes,
      put: status.put,
      acked: status.acked,
      dropped: status.dropped,
      oldest_ready_ms: status.oldestReadyMs,
      consumers: status.consumers,
      waiting_puts: status.waitingPuts,
      waiting_gets: status.waitingGets,
    },
  };
}
