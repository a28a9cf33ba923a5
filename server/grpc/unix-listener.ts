import { randomBytes } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
} from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { type ConnectionSink, type Listener, startListening, stopAccepting } from "./listener.js";

/** Longest path of a Unix socket in the kernel, less the final NUL. */
const maxPathBytes = 107;

/**
 * Listens on a Unix socket of mode 0660, in a directory that is made with mode 0750 if it is
 * missing. The socket that a dead daemon has left is taken over; one that somebody listens on is
 * refused, and so is a path that is no socket. Two daemons that start at once on one path are told
 * apart by the lock of their state directory, not here.
 */
export async function listenOnUnixSocket(path: string, sink: ConnectionSink): Promise<Listener> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  refuseForeignDirectory(dirname(path));
  // Bound beside its place and then renamed into it: nobody sees the socket before it has its mode,
  // and libuv, which removes the path that it bound when it closes, never removes a successor's.
  const bound = join(dirname(path), `.${randomBytes(3).toString("hex")}`);
  for (const candidate of [path, bound]) {
    if (Buffer.byteLength(candidate) > maxPathBytes) {
      throw new Error(`The path of a Unix socket has at most ${maxPathBytes} bytes: ${candidate}`);
    }
  }
  await refuseOccupied(path);
  const server = createServer((socket) => {
    if (sink.admit(socket)) sink.ready(socket);
  });
  await startListening(server, { path: bound }, sink);
  try {
    chmodSync(bound, 0o660);
    renameSync(bound, path);
  } catch (error) {
    server.close();
    throw error;
  }
  const own = lstatSync(path);
  let closed: Promise<void> | undefined;
  return {
    address: `unix://${path}`,
    close: () => (closed ??= closeOwn(server, path, own)),
  };
}

function closeOwn(server: Server, path: string, own: Stats): Promise<void> {
  stopAccepting(server);
  const current = statOf(path);
  if (current?.ino === own.ino && current.dev === own.dev) unlinkSync(path);
  return Promise.resolve();
}

/** Who may write the directory may put a socket of his own in the place of ours. */
function refuseForeignDirectory(directory: string): void {
  const { uid, mode } = statSync(directory);
  if (uid !== 0 && uid !== process.geteuid?.()) {
    throw new Error(
      `${directory} belongs to user ${uid}: choose a directory of your own for the socket`,
    );
  }
  const isSticky = (mode & 0o1000) !== 0;
  if ((mode & 0o022) !== 0 && !isSticky) {
    throw new Error(
      `${directory} can be written by others (mode ${(mode & 0o777).toString(8)}): choose another directory for the socket, or chmod go-w it`,
    );
  }
}

async function refuseOccupied(path: string): Promise<void> {
  const stats = statOf(path);
  if (stats === undefined) return;
  if (!stats.isSocket()) throw new Error(`${path} is in the way: it is no socket`);
  if (await answers(path)) {
    throw new Error(`Another daemon listens on ${path}: stop it, or choose another socket`);
  }
}

/** Whether somebody accepts connections there. Throws when that cannot be told, such as for lack of permission. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error) => {
      const code = "code" in error ? error.code : undefined;
      if (code === "ECONNREFUSED" || code === "ENOENT") resolve(false);
      // Its backlog is full: it is alive, and busy.
      else if (code === "EAGAIN") resolve(true);
      else reject(new Error(`Cannot tell whether ${path} is in use`, { cause: error }));
    });
  });
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
