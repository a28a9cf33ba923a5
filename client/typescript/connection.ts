import { setMaxListeners } from "node:events";
import { ChannelCredentials, type ChannelOptions, Client } from "@grpc/grpc-js";
import {
  type CallOptions,
  type Channel,
  type ClientMiddlewareCall,
  createChannel,
  createClientFactory,
  type Metadata,
} from "nice-grpc";
import {
  type AdminServiceClient,
  AdminServiceDefinition,
} from "../../proto/gen/forkbus/v1/admin.js";
import { type CpuServiceClient, CpuServiceDefinition } from "../../proto/gen/forkbus/v1/cpu.js";
import {
  type ProcessServiceClient,
  ProcessServiceDefinition,
} from "../../proto/gen/forkbus/v1/process.js";
import {
  type QueueServiceClient,
  QueueServiceDefinition,
} from "../../proto/gen/forkbus/v1/queue.js";
import {
  type TemplateServiceClient,
  TemplateServiceDefinition,
} from "../../proto/gen/forkbus/v1/template.js";
import { type Address, formatAddress } from "./address.js";
import { type CallerPlace, callerPlace } from "./caller-place.js";
import { DuplexCall, type DuplexListener, type DuplexMethod } from "./duplex-call.js";
import { ForkbusError, fromClientError } from "./errors.js";
import { linkSignals } from "./link-signals.js";
import type { RetryPolicy } from "./retry.js";

/** What TCP needs. `insecure` is plain text, for loopback and tests only. */
export type TlsOptions =
  | {
      readonly insecure?: false;
      /** PEM of the authorities to trust; the system's when there are none. */
      readonly ca?: Buffer;
      /** PEM of this client's certificate and key, where the daemon asks for one. */
      readonly cert?: Buffer;
      readonly key?: Buffer;
    }
  | { readonly insecure: true };

/**
 * The raw services of a daemon, on one channel, and streams that carry much to the daemon on another: Node's HTTP/2 does
 * not read a connection while it cannot write to it, so two ends that both have much to send on one would wait for each
 * other for ever. Every call throws the errors of errors.ts, or its
 * signal's reason.
 */
export interface Connection extends RetryPolicy {
  readonly address: string;
  /** Looked up when it is first asked for. */
  readonly place: CallerPlace;
  readonly processes: ProcessServiceClient;
  readonly queues: QueueServiceClient;
  readonly admin: AdminServiceClient;
  readonly cpus: CpuServiceClient;
  readonly templates: TemplateServiceClient;
  /** Opens a stream in both directions. When the connection closes, its listener hears a ForkbusError CANCELLED. */
  duplex<Request, Response>(
    method: DuplexMethod<Request, Response>,
    listener: DuplexListener<Response>,
  ): DuplexCall<Request>;
  readonly isClosed: boolean;
  /** Ends the calls that are under way. Any number of times. */
  close(): void;
}

const keepaliveMs = 20_000;
const slowestConnectMs = 5_000;
const windowBytes = 1024 * 1024;

/** Makes the channels, which connect when they are first used. */
export function openConnection(address: Address, tls: TlsOptions, policy: RetryPolicy): Connection {
  const open = (): Channel =>
    createChannel(target(address), credentials(address, tls), channelOptions(policy));
  const channel = open();
  const upChannel = open();
  const closing = new AbortController();
  const closed = new ForkbusError("The client is closed", { code: "CANCELLED" });
  // One listener for each call under way, and there is no bound on those.
  setMaxListeners(0, closing.signal);
  const streams = { up: streamsOn(upChannel), down: streamsOn(channel) };
  let place: CallerPlace | undefined;
  const factory = createClientFactory().use(typedErrors(closing.signal));
  return {
    address: formatAddress(address),
    get place() {
      return (place ??= callerPlace(formatAddress(address)));
    },
    reconnectMs: policy.reconnectMs,
    get isClosed() {
      return closing.signal.aborted;
    },
    processes: factory.create(ProcessServiceDefinition, channel),
    queues: factory.create(QueueServiceDefinition, channel),
    admin: factory.create(AdminServiceDefinition, channel),
    cpus: factory.create(CpuServiceDefinition, channel),
    templates: factory.create(TemplateServiceDefinition, channel),
    duplex: (method, listener) => {
      closing.signal.throwIfAborted();
      const onClosing = (): void => {
        call.fail(closed);
      };
      const call = DuplexCall.open(streams[method.bulk], method, listener, () => {
        closing.signal.removeEventListener("abort", onClosing);
      });
      closing.signal.addEventListener("abort", onClosing, { once: true });
      return call;
    },
    close: () => {
      // A channel that closes lets its calls go on; a stream that nobody reads would never end.
      closing.abort(closed);
      channel.close();
      upChannel.close();
    },
  };
}

/** A client for streams that nice-grpc does not open; the channel knows where to and how. */
function streamsOn(channel: Channel): Client {
  return new Client("", ChannelCredentials.createInsecure(), { channelOverride: channel });
}

/** grpc-js takes the two slashes for an absolute path; without them nice-grpc would add a port. */
function target(address: Address): string {
  return address.kind === "unix" ? `unix://${address.path}` : address.authority;
}

function credentials(address: Address, tls: TlsOptions): ChannelCredentials {
  if (address.kind === "unix" || tls.insecure === true) return ChannelCredentials.createInsecure();
  return ChannelCredentials.createSsl(tls.ca, tls.key, tls.cert);
}

function channelOptions(policy: RetryPolicy): ChannelOptions {
  return {
    // The 64 KiB of HTTP/2 are less than a frame, which would then take several round trips.
    "grpc-node.flow_control_window": windowBytes,
    // Waits may be silent for hours; without pings nobody would notice that the other end is gone.
    "grpc.keepalive_time_ms": keepaliveMs,
    "grpc.keepalive_timeout_ms": keepaliveMs / 2,
    // A daemon that is restarted is back within a second; gRPC's own pauses grow to two minutes.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 500,
    // For one attempt to connect: nice-grpc enforces it under this name.
    "grpc.min_reconnect_backoff_ms": Math.min(
      slowestConnectMs,
      Math.max(policy.reconnectMs / 2, 500),
    ),
    // A connection of our own, which `close` really closes.
    "grpc.use_local_subchannel_pool": 1,
    // gRPC's transparent retries are invisible and have rules of their own: ours are in retry.ts.
    "grpc.enable_retries": 0,
  };
}

/**
 * Turns what calls throw into typed errors, and ends calls when the connection closes. Details come with the trailer,
 * which arrives before the error is seen.
 */
function typedErrors(closing: AbortSignal) {
  return async function* <Request, Response>(
    call: ClientMiddlewareCall<Request, Response>,
    options: CallOptions,
  ): AsyncGenerator<Response, Response | undefined, undefined> {
    let trailer: Metadata | undefined;
    const onTrailer = (metadata: Metadata): void => {
      trailer = metadata;
      options.onTrailer?.(metadata);
    };
    using linked = options.signal === undefined ? undefined : linkSignals(options.signal, closing);
    const signal = linked?.signal ?? closing;
    signal.throwIfAborted();
    try {
      const response = yield* call.next(call.request, { ...options, signal, onTrailer });
      return response ?? undefined;
    } catch (error) {
      signal.throwIfAborted();
      throw fromClientError(error, trailer);
    }
  };
}
