import {
  type ServerInterceptor,
  ServerInterceptingCall,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { boundedMessage, type FailureStatus, statusOfUndecodable } from "./status-of-error.js";

/** Takes the place of a message on its way to the interceptor. */
class Undecodable {
  readonly status: FailureStatus;

  constructor(status: FailureStatus) {
    this.status = status;
  }
}

/**
 * Services that come with their own decoders and handlers, held to our rules: bytes that are no
 * message are INVALID_ARGUMENT, where grpc-js answers INTERNAL when a decoder throws; and a status
 * has a message of bounded size, for a client drops the connection whose trailers are too large.
 */
export class ForeignServices {
  readonly #paths = new Set<string>();

  /** The service as it is to be served, by a server that has the interceptor. */
  adopt(service: ServiceDefinition): ServiceDefinition {
    return Object.fromEntries(
      Object.entries(service).map(([name, method]) => {
        this.#paths.add(method.path);
        const decode = (bytes: Buffer): unknown => {
          try {
            return method.requestDeserialize(bytes);
          } catch (error) {
            const cause = error instanceof Error ? error.message : String(error);
            return new Undecodable(statusOfUndecodable(`request of ${method.path}`, cause));
          }
        };
        return [name, { ...method, requestDeserialize: decode }];
      }),
    );
  }

  /** Does nothing to the calls of our own services, if another interceptor comes before. */
  readonly interceptor: ServerInterceptor = ({ path }, call) => {
    if (call instanceof ServerInterceptingCall && !this.#paths.has(path)) return call;
    let isRefused = false;
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          // The call ends at its first undecodable message; the handler sees nothing of that.
          onReceiveMessage: (message: unknown, pass) => {
            if (isRefused) return;
            if (message instanceof Undecodable) {
              isRefused = true;
              call.sendStatus(message.status);
            } else {
              pass(message);
            }
          },
          onReceiveHalfClose: (pass) => {
            if (!isRefused) pass();
          },
        });
      },
      // Answers to what came before may still be queued. Written after the status they would make
      // grpc-js lose it, and the call would never end.
      sendMessage: (message: unknown, pass) => {
        if (!isRefused) pass(message);
      },
      sendStatus: (status, pass) => {
        if (isRefused) return;
        pass({ ...status, details: boundedMessage(status.details) });
      },
    });
  };
}
