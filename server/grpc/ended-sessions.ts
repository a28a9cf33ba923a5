import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";

const LOOK_EVERY_MS = 2000;
/** So many new connections cause a look of their own, so that a stream of them fills no table. */
const NEW_PER_LOOK = 64;
/** The answer to SETTINGS has no payload. */
const ANSWER_BYTES = 9;

/**
 * Closes the connections whose HTTP/2 session has ended by an error of the client.
 *
 * nghttp2 ends such a session by itself. It sends GOAWAY, and then neither reads nor writes any
 * more; for most errors Node is not told, and does not notice either when the client has left. But
 * whatever is submitted to such a session is never written, even if nothing is waiting for the
 * socket: so settings that set nothing tell the dead from the slow. Only what a client sends can
 * end its session. Hence nothing is sent to those who have been silent since the last look, and a
 * client that is stopped, which answers nothing, is let alone.
 */
export class EndedSessions {
  readonly #watched = new Map<Http2Session, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #opened = 0;

  /** Until the session closes. `socket` is what carries it. */
  watch(session: Http2Session, socket: Socket): void {
    this.#watched.set(session, { socket, outlived: 0 });
    session.once("close", () => {
      this.#watched.delete(session);
      if (this.#watched.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    });
    const look = (): void => {
      for (const [each, watched] of this.#watched) lookAt(each, watched);
    };
    this.#timer ??= setInterval(look, LOOK_EVERY_MS);
    if (++this.#opened % NEW_PER_LOOK === 0) setImmediate(look);
  }
}

interface Watched {
  readonly socket: Socket;
  /** How many bytes of its client the session is known to have outlived. */
  outlived: number;
}

function lookAt(session: Http2Session, watched: Watched): void {
  const { socket, outlived } = watched;
  if (session.destroyed || isWriting(socket)) return;
  if (socket.bytesRead !== outlived) ask(session, watched);
  // After some kinds of floods nghttp2 goes on to write but wants nothing more: and Node, which
  // then does not read, misses the end of the connection.
  else resumeReading(socket);
}

function ask(session: Http2Session, watched: Watched): void {
  const { socket } = watched;
  const { bytesRead, bytesWritten } = socket;
  const hasOutlived = (bytes: number): void => {
    watched.outlived = Math.max(watched.outlived, bytes);
  };
  // No ping, which Node takes for no session that is closing. It ends those who leave ten of these
  // unanswered and send on and on.
  session.settings({}, (error) => {
    // Not what has been read by now: behind the answer may be what ended the session.
    if (error === null) hasOutlived(bytesRead + ANSWER_BYTES);
  });
  // The first turn writes, the second hears that it is written.
  afterTurns(2, () => {
    if (session.destroyed || isWriting(socket)) return;
    // The session would wait for writes that never end.
    if (socket.bytesWritten === bytesWritten) socket.destroy();
    // Otherwise it may have been the GOAWAY that was written, and the settings not.
    else if (session.state.outboundQueueSize === 0) hasOutlived(bytesRead);
  });
}

function afterTurns(turns: number, act: () => void): void {
  if (turns === 0) act();
  else setImmediate(afterTurns, turns - 1, act);
}

/** Whether something waits for the socket. */
function isWriting(socket: Socket): boolean {
  const handle = handleOf(socket);
  if (handle === undefined) return true;
  // TLS keeps for ever what it could not write; what is below it does not.
  const below: unknown = Reflect.get(handle, "_parent");
  const lowest = typeof below === "object" && below !== null ? below : handle;
  return Reflect.get(lowest, "writeQueueSize") !== 0;
}

/** Has no effect on a session that reads. */
function resumeReading(socket: Socket): void {
  const handle = handleOf(socket);
  const start: unknown = handle && Reflect.get(handle, "readStart");
  if (typeof start === "function") Reflect.apply(start, handle, []);
}

/** What libuv does for a session Node shows on the private handle of the socket alone. */
function handleOf(socket: Socket): object | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  return typeof handle === "object" && handle !== null ? handle : undefined;
}
