import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type OutgoingHttpHeaders,
  type Settings,
} from "node:http2";

/** A client that speaks gRPC's HTTP/2 and obeys nobody: it reads what and when a test says. */
export class RawClient implements Disposable {
  readonly session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
    session.on("error", () => undefined);
  }

  static async connect(address: string, settings: Settings = {}): Promise<RawClient> {
    const client = new RawClient(connect(`http://${address}`, { settings }));
    await once(client.session, "connect");
    return client;
  }

  /** Begins a call, with nothing of its request yet. Nothing of the answer is read. */
  open(path: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
    const stream = this.session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    stream.on("error", () => undefined);
    return stream;
  }

  /** Begins a call and sends its whole request. */
  call(path: string, message: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
    const stream = this.open(path, headers);
    stream.end(framed(message));
    return stream;
  }

  openWindow(): void {
    this.session.settings({ initialWindowSize: 65_535 });
  }

  destroy(): void {
    this.session.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}

/** A message as gRPC sends it: a flag, its length, its bytes. */
export function framed(message: string): Buffer {
  const body = Buffer.from(message);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.byteLength, 1);
  return Buffer.concat([prefix, body]);
}
