import { CheckOutcome, type DiagnoseResponseCheck } from "../proto/gen/forkbus/v1/admin.js";
import { type AddressChoice } from "./daemon-connection.js";

/**
 * What lies at the path of a Unix socket: nothing, a socket, a socket that we may not use, something else, or nobody
 * may look.
 */
export type SocketFinding = "absent" | "socket" | "forbidden" | "hidden" | "other";

function describeSocket(finding: SocketFinding | undefined): string {
  switch (finding) {
    case "absent":
      return "There is no such socket: no daemon has been started there, or it was stopped.";
    case "socket":
      return "The socket is there, so a daemon was; it has died.";
    case "forbidden":
      return "The socket is there, and you have no permission to use it.";
    case "hidden":
      return "You may not look into the directory of that socket.";
    case "other":
      return "What is there is no socket.";
    case undefined:
      return "";
  }
}

/** The check that failed when nobody answers: what was tried, why, and how to get a daemon. */
export function unreachableCheck(
  { address, source }: AddressChoice,
  message: string,
  socket: SocketFinding | undefined,
): DiagnoseResponseCheck {
  const chosen = source === "default" ? "the default address of this user" : `from ${source}`;
  const why =
    socket === undefined || socket === "socket"
      ? [message.replace(/\.?$/, "."), describeSocket(socket)].join(" ").trim()
      : describeSocket(socket);
  const isRefused = socket === "forbidden" || socket === "hidden";
  const start = source === "default" ? "forkbus serve" : `forkbus serve --listen ${address}`;
  return {
    name: "client.connection",
    outcome: CheckOutcome.FAILED,
    message: `${isRefused ? "No access to the daemon" : "Nobody answers"} at ${address} (${chosen}). ${why}`,
    consequence:
      "No command but serve works, and nothing else could be checked. Workers that run are not harmed.",
    remedy: isRefused
      ? "Ask the owner of the socket for membership of its group, and log in again; or name another with --address or FORKBUS_ADDRESS."
      : `Start one with: ${start}; or name another with --address or FORKBUS_ADDRESS.`,
  };
}
