import type { ListenOptions, Server, Socket } from "node:net";

/** A listening socket that stops accepting when it is closed. Its connections live on. */
export interface Listener {
  /** As clients write it: `unix:///run/forkbus/forkbus.sock`, `127.0.0.1:7070`. */
  readonly address: string;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Where a listener's connections go. */
export interface ConnectionSink {
  /** A connection was accepted. False refuses it: the sink has destroyed it. */
  admit(socket: Socket): boolean;
  /** An admitted connection may speak HTTP/2 now. With TLS it is another object than the admitted one. */
  ready(socket: Socket): void;
  /** An admitted connection failed its handshake and is closed. */
  refused(error: Error): void;
  /** Accepting failed, for lack of descriptors for one. The listener goes on. */
  acceptFailed(error: Error): void;
}

/** Resolves when the server listens; rejects with the error of binding. */
export function startListening(
  server: Server,
  options: ListenOptions,
  sink: ConnectionSink,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      server.on("error", (error) => {
        sink.acceptFailed(error);
      });
      resolve();
    });
  });
}

/** Node tells when the connections have gone too; a listener that is closed need not wait for that. */
export function stopAccepting(server: Server): void {
  server.close();
}
