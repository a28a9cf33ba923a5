import type { Rope } from "../../wire/rope.js";
import type { CallContext } from "./call-context.js";

/** What the generated code offers of a message type. A rope saves a copy of what is large. */
export interface MessageCodec {
  encode(message: never): { finish(): Uint8Array | Rope };
  decode(input: Uint8Array): unknown;
}

/** A method in a generated service definition (ts-proto, `outputServices=generic-definitions`). */
export interface MethodShape {
  readonly name: string;
  readonly requestType: MessageCodec;
  readonly requestStream: boolean;
  readonly responseType: MessageCodec;
  readonly responseStream: boolean;
}

export interface ServiceShape {
  readonly fullName: string;
  readonly methods: Readonly<Record<string, MethodShape>>;
}

type Request<Method extends MethodShape> = ReturnType<Method["requestType"]["decode"]>;

type Response<Method extends MethodShape> = Parameters<Method["responseType"]["encode"]>[0];

/** The method's implementation. Methods that take a stream and answer once are not served: they have none. */
export type Handler<Method extends MethodShape> = Method["requestStream"] extends true
  ? Method["responseStream"] extends true
    ? DuplexHandler<Request<Method>, Response<Method>>
    : never
  : Method["responseStream"] extends true
    ? StreamHandler<Request<Method>, Response<Method>>
    : UnaryHandler<Request<Method>, Response<Method>>;

export type UnaryHandler<Request, Response> = (
  request: Request,
  context: CallContext,
) => Promise<Response>;

/**
 * Answers with the iterable's messages, in order, and OK at its end. The next message is asked for
 * when the connection has taken enough of the ones before, so a reader that does not read stops the
 * iterable. When the call is cancelled the iterator's `return` is called, which for a generator
 * runs its `finally`; a generator that is waiting for something else must wake by the signal.
 */
export type StreamHandler<Request, Response> = (
  request: Request,
  context: CallContext,
) => AsyncIterable<Response>;

/**
 * As StreamHandler, for a stream of requests, which ends when the client half-closes. A request
 * that cannot be decoded is thrown where it would have come. The requests that have not been asked
 * for are bounded, and stop the client.
 */
export type DuplexHandler<Request, Response> = (
  requests: AsyncIterable<Request>,
  context: CallContext,
) => AsyncIterable<Response>;

/** The implementation of a whole service: one handler for each method, by its name in the definition. */
export type Handlers<Service extends ServiceShape> = {
  readonly [Name in keyof Service["methods"]]: Handler<Service["methods"][Name]>;
};
