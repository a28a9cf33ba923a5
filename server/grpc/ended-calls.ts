import { type Metadata, type ServerInterceptor, ServerInterceptingCall } from "@grpc/grpc-js";

/**
 * The calls that had ended before their request was complete. grpc-js may still start the handler
 * of such a call, when the end of the request comes after its own status (too large, deadline), and
 * then tells it nothing: it would write into the void and wait for ever.
 *
 * A call is known by its metadata, which is the one object that an interceptor and a handler share.
 */
export class EndedCalls {
  readonly #ended = new WeakSet<Metadata>();

  readonly interceptor: ServerInterceptor = (_method, call) => {
    let metadata: Metadata | undefined;
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (received, pass) => {
            metadata = received;
            pass(received);
          },
          onCancel: () => {
            if (metadata !== undefined) this.#ended.add(metadata);
          },
        });
      },
    });
  };

  has(metadata: Metadata): boolean {
    return this.#ended.has(metadata);
  }
}
