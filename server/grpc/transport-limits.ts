/** What one server and one connection may cost. Exceeding a limit ends the offender alone. */
export interface TransportLimits {
  /** Open connections of all listeners together; further ones are closed at once. */
  readonly connections: number;
  /** Calls under way on one connection; HTTP/2 makes clients wait with further ones. */
  readonly streamsPerConnection: number;
  /** Headers of one call, as HTTP/2 counts them: names, values, 32 bytes each. Larger ones reset the call. */
  readonly headerListBytes: number;
  /** One request message; larger ones end in RESOURCE_EXHAUSTED, and above twice the limit are not read. */
  readonly requestMessageBytes: number;
  /** What a client may send on one stream before it has been read... */
  readonly streamWindowBytes: number;
  /** ...and on all streams of a connection together. */
  readonly connectionWindowBytes: number;
  /** From accept to the end of the TLS handshake and of the HTTP/2 preface; silent connections are closed. */
  readonly handshakeMs: number;
  /** A connection is pinged this often, calls or not... */
  readonly keepaliveIntervalMs: number;
  /** ...and closed when a ping has no answer for this long. */
  readonly keepaliveTimeoutMs: number;
}

export const defaultTransportLimits: TransportLimits = {
  connections: 1024,
  streamsPerConnection: 1024,
  headerListBytes: 16 * 1024,
  requestMessageBytes: 4 * 1024 * 1024,
  streamWindowBytes: 1024 * 1024,
  connectionWindowBytes: 4 * 1024 * 1024,
  handshakeMs: 10_000,
  keepaliveIntervalMs: 60_000,
  keepaliveTimeoutMs: 20_000,
};
