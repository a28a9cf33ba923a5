import {
  Metadata,
  type MethodDefinition,
  type sendUnaryData,
  type Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { type AdapterHost, openCall, type OpenCall } from "./open-call.js";
import { decodeRequest, type DecodedRequest, encodeResponse } from "./message-codec.js";
import { ResponseStream } from "./response-stream.js";
import type {
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
  const methods: Record<string, MethodDefinition<DecodedRequest, Buffer>> = {};
  const implementation: Record<string, UntypedHandleCall> = {};
  for (const [name, method] of Object.entries(definition.methods)) {
    const path = `${definition.fullName}/${method.name}`;
    if (method.requestStream) throw new Error(`Client streams are not served yet: ${path}`);
    const handler: unknown = handlers[name];
    if (typeof handler !== "function") throw new Error(`No handler for ${path}`);
    methods[name] = methodDefinition(path, method, host.limits.requestMessageBytes);
    // Handlers<Service> has checked each handler against its method; a loop over names cannot show it.
    implementation[name] = method.responseStream
      ? serveStream(path, method, handler as StreamHandler<unknown, unknown>, host)
      : serveUnary(path, method, handler as UnaryHandler<unknown, unknown>, host);
  }
  server.addService(methods, implementation);
}

function methodDefinition(
  path: string,
  method: MethodShape,
  maxRequestBytes: number,
): MethodDefinition<DecodedRequest, Buffer> {
  return {
    path: `/${path}`,
    requestStream: method.requestStream,
    responseStream: method.responseStream,
    requestDeserialize: (bytes) => decodeRequest(path, method, bytes, maxRequestBytes),
    // The adapter encodes: what fails there is then an error of the handler like any other.
    responseSerialize: (bytes) => bytes,
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
  return (call: ServerUnaryCall<DecodedRequest, Buffer>, respond: sendUnaryData<Buffer>): void => {
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
  call: ServerUnaryCall<DecodedRequest, Buffer>,
  respond: sendUnaryData<Buffer>,
): Promise<void> {
  const { lifetime } = opened;
  let response: Buffer;
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
  return (call: ServerWritableStream<DecodedRequest, Buffer>): void => {
    const opened = openCall(path, call, host);
    if (opened === undefined) return;
    answerStream(opened, method, handler, call).catch((error: unknown) => {
      opened.reportFault(error);
    });
  };
}

async function answerStream(
  opened: OpenCall,
  method: MethodShape,
  handler: StreamHandler<unknown, unknown>,
  call: ServerWritableStream<DecodedRequest, Buffer>,
): Promise<void> {
  const { lifetime } = opened;
  const deadline = opened.watchDeadline();
  try {
    const out = new ResponseStream(call, lifetime.signal);
    for await (const message of handler(opened.request(call.request), lifetime)) {
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
