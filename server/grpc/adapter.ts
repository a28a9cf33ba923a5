import {
  Metadata,
  type MethodDefinition,
  type sendUnaryData,
  type Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { type AdapterHost, openCall, type OpenCall } from "./open-call.js";
import {
  decodeRequest,
  type DecodedRequest,
  encodeResponse,
  type EncodedMessage,
} from "./message-codec.js";
import { RequestStream } from "./request-stream.js";
import { ResponseStream } from "./response-stream.js";
import type {
  DuplexHandler,
  Handlers,
  MethodShape,
  ServiceShape,
  StreamHandler,
  UnaryHandler,
} from "./service-shape.js";

export type { CallContext } from "./call-context.js";
export type { AdapterHost } from "./open-call.js";
export type { Handlers } from "./service-shape.js";

/**
 * Serves `handlers` as the service that `definition` describes.
 *
 * A handler fails by throwing: a DomainError becomes its status, anything else becomes INTERNAL
 * with a reference and is logged under it, once. Nobody reads the status of a cancelled call; what
 * its handler then throws is dropped if it is the signal's reason, an AbortError or a DomainError.
 * A request that cannot be decoded is INVALID_ARGUMENT and reaches no handler.
 */
export function addService<Service extends ServiceShape>(
  server: Pick<Server, "addService">,
  definition: Service,
  handlers: Handlers<Service>,
  host: AdapterHost,
): void {
  const methods: Record<string, MethodDefinition<DecodedRequest, EncodedMessage>> = {};
  const implementation: Record<string, UntypedHandleCall> = {};
  for (const [name, method] of Object.entries(definition.methods)) {
    const path = `${definition.fullName}/${method.name}`;
    if (method.requestStream && !method.responseStream) {
      throw new Error(`Streams with one answer are not served: ${path}`);
    }
    const handler: unknown = handlers[name];
    if (typeof handler !== "function") throw new Error(`No handler for ${path}`);
    methods[name] = methodDefinition(path, method, host.limits.requestMessageBytes);
    // Handlers<Service> has checked each handler against its method; a loop over names cannot show it.
    if (method.requestStream) {
      implementation[name] = serveDuplex(
        path,
        method,
        handler as DuplexHandler<unknown, unknown>,
        host,
      );
    } else if (method.responseStream) {
      implementation[name] = serveStream(
        path,
        method,
        handler as StreamHandler<unknown, unknown>,
        host,
      );
    } else {
      implementation[name] = serveUnary(
        path,
        method,
        handler as UnaryHandler<unknown, unknown>,
        host,
      );
    }
  }
  server.addService(methods, implementation);
}

function methodDefinition(
  path: string,
  method: MethodShape,
  maxRequestBytes: number,
): MethodDefinition<DecodedRequest, EncodedMessage> {
  return {
    path: `/${path}`,
    requestStream: method.requestStream,
    responseStream: method.responseStream,
    requestDeserialize: (bytes) => decodeRequest(path, method, bytes, maxRequestBytes),
    // The adapter encodes: what fails there is then an error of the handler like any other.
    responseSerialize: (message) => message as Buffer,
    requestSerialize: notAClient,
    responseDeserialize: notAClient,
  };
}

function notAClient(): never {
  throw new Error("This definition is for servers");
}

function serveUnary(
  path: string,
  method: MethodShape,
  handler: UnaryHandler<unknown, unknown>,
  host: AdapterHost,
) {
  return (
    call: ServerUnaryCall<DecodedRequest, EncodedMessage>,
    respond: sendUnaryData<EncodedMessage>,
  ): void => {
    const opened = openCall(path, call, host);
    if (opened === undefined) return;
    answerUnary(opened, method, handler, call, respond).catch((error: unknown) => {
      opened.reportFault(error);
    });
  };
}

async function answerUnary(
  opened: OpenCall,
  method: MethodShape,
  handler: UnaryHandler<unknown, unknown>,
  call: ServerUnaryCall<DecodedRequest, EncodedMessage>,
  respond: sendUnaryData<EncodedMessage>,
): Promise<void> {
  const { lifetime } = opened;
  let response: EncodedMessage;
  try {
    const message = opened.request(call.request);
    response = encodeResponse(method, await handler(message, lifetime));
  } catch (error) {
    const failure = opened.statusOf(error);
    lifetime.answered();
    if (failure !== undefined) respond(failure);
    lifetime.undelivered();
    return;
  }
  if (opened.isOver()) {
    lifetime.undelivered();
    return;
  }
  lifetime.answered();
  call.once("cancelled", () => {
    opened.guard(() => {
      lifetime.undelivered();
    });
  });
  respond(
    null,
    response,
    new WriteWitness(() => {
      opened.guard(() => {
        if (!opened.isOver()) lifetime.delivered();
      });
    }),
  );
}

/**
 * Trailers that tell when they are taken. grpc-js copies a unary call's trailers when the response
 * has been written to the connection and the call was not cancelled by then; it has no event for it.
 */
class WriteWitness extends Metadata {
  readonly #onWritten: () => void;

  constructor(onWritten: () => void) {
    super();
    this.#onWritten = onWritten;
  }

  override clone(): Metadata {
    this.#onWritten();
    return super.clone();
  }
}

function serveStream(
  path: string,
  method: MethodShape,
  handler: StreamHandler<unknown, unknown>,
  host: AdapterHost,
) {
  return (call: ServerWritableStream<DecodedRequest, EncodedMessage>): void => {
    const opened = openCall(path, call, host);
    if (opened === undefined) return;
    const { lifetime } = opened;
    respondWith(opened, method, call, () => handler(opened.request(call.request), lifetime)).catch(
      (error: unknown) => {
        opened.reportFault(error);
      },
    );
  };
}

function serveDuplex(
  path: string,
  method: MethodShape,
  handler: DuplexHandler<unknown, unknown>,
  host: AdapterHost,
) {
  return (call: ServerDuplexStream<DecodedRequest, EncodedMessage>): void => {
    const opened = openCall(path, call, host);
    if (opened === undefined) return;
    const { lifetime } = opened;
    const requests = new RequestStream(call, lifetime.signal, (decoded) => opened.request(decoded));
    respondWith(opened, method, call, () => handler(requests, lifetime)).catch((error: unknown) => {
      opened.reportFault(error);
    });
  };
}

/** Answers with the messages of the iterable, and with OK or the status of what it throws. */
async function respondWith(
  opened: OpenCall,
  method: MethodShape,
  call:
    | ServerWritableStream<DecodedRequest, EncodedMessage>
    | ServerDuplexStream<DecodedRequest, EncodedMessage>,
  messages: () => AsyncIterable<unknown>,
): Promise<void> {
  const { lifetime } = opened;
  const deadline = opened.watchDeadline();
  try {
    const out = new ResponseStream(call, lifetime.signal);
    for await (const message of messages()) {
      await out.write(encodeResponse(method, message));
      if (lifetime.cancelled) break;
    }
    lifetime.answered();
    if (!lifetime.cancelled) call.end();
  } catch (error) {
    const failure = opened.statusOf(error);
    lifetime.answered();
    // grpc-js ends a stream with a status by this event, after what was written before.
    if (failure !== undefined) call.emit("error", failure);
  } finally {
    deadline[Symbol.dispose]();
  }
}
