import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CallContext,
  createServer,
  type Server,
  ServerError,
  type ServerMiddlewareCall,
  Status,
} from "nice-grpc";
import {
  AdminServiceDefinition,
  DiagnoseResponse,
  GetServerInfoResponse,
  GetServerStatusResponse,
} from "../../proto/gen/forkbus/v1/admin.js";
import { ProcessServiceDefinition } from "../../proto/gen/forkbus/v1/process.js";
import { QueueServiceDefinition } from "../../proto/gen/forkbus/v1/queue.js";
import { TemplateServiceDefinition } from "../../proto/gen/forkbus/v1/template.js";
import { encodeErrorDetails } from "../../server/grpc/error-details.js";
import { FakeFailure } from "./fake-daemon-failure.js";
import { FakeProcesses } from "./fake-daemon-processes.js";
import { FakeQueues } from "./fake-daemon-queues.js";
import { FakeTemplates } from "./fake-daemon-templates.js";

/** One call that goes wrong. `before`: without any effect; `after`: it took effect, and its answer is lost. */
interface Fault {
  readonly method: string;
  readonly when: "before" | "after";
  readonly failure: FakeFailure;
}

/**
 * The wire of a daemon over state in memory, on a Unix socket of its own: for tests of what a client does when calls
 * fail, answers are lost and daemons go away. Its processes end when the test says so.
 */
export class FakeDaemon implements AsyncDisposable {
  readonly processes = new FakeProcesses();
  readonly templates = new FakeTemplates();
  queues = new FakeQueues();
  /** Calls that arrived, by method, such as `Put`. */
  readonly calls = new Map<string, number>();
  readonly #directory: string;
  readonly #faults: Fault[] = [];
  #server: Server | undefined;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async start(): Promise<FakeDaemon> {
    const daemon = new FakeDaemon(await mkdtemp(join(tmpdir(), "forkbus-fake-")));
    await daemon.listen();
    return daemon;
  }

  get address(): string {
    return `unix:${join(this.#directory, "forkbus.sock")}`;
  }

  /** The next call of this method fails. */
  failNext(method: string, failure: FakeFailure, when: Fault["when"] = "before"): void {
    this.#faults.push({ method, when, failure });
  }

  /** The next call of this method takes effect, and its answer is lost. */
  loseAnswer(method: string): void {
    this.failNext(method, new FakeFailure(Status.UNAVAILABLE, "", "connection lost"), "after");
  }

  /** Breaks every connection and takes no more. Processes live on, queues are gone, as with a real one. */
  kill(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.queues = new FakeQueues();
  }

  async listen(): Promise<void> {
    const server = createServer().use(this.#middleware());
    const storeId = randomUUID();
    server.add(AdminServiceDefinition, {
      getServerInfo: () =>
        Promise.resolve(GetServerInfoResponse.create({ version: "0.0.0", storeId })),
      getServerStatus: () => Promise.resolve(GetServerStatusResponse.create()),
      diagnose: () => Promise.resolve(DiagnoseResponse.create()),
    });
    server.add(ProcessServiceDefinition, this.processes);
    server.add(QueueServiceDefinition, this.queues);
    server.add(TemplateServiceDefinition, this.templates);
    await rm(join(this.#directory, "forkbus.sock"), { force: true });
    await server.listen(`unix://${join(this.#directory, "forkbus.sock")}`);
    this.#server = server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  #middleware() {
    const calls = this.calls;
    const takeFault = (method: string, when: Fault["when"]): void => {
      const index = this.#faults.findIndex((one) => one.method === method && one.when === when);
      const [fault] = index < 0 ? [] : this.#faults.splice(index, 1);
      if (fault !== undefined) throw fault.failure;
    };
    return async function* <Request, Response>(
      call: ServerMiddlewareCall<Request, Response>,
      context: CallContext,
    ): AsyncGenerator<Response, Response | undefined, undefined> {
      const method = call.method.path.slice(call.method.path.lastIndexOf("/") + 1);
      calls.set(method, (calls.get(method) ?? 0) + 1);
      try {
        takeFault(method, "before");
        const response = yield* call.next(call.request, context);
        takeFault(method, "after");
        return response ?? undefined;
      } catch (error) {
        if (error instanceof FakeFailure && error.reason !== "") {
          context.trailer.set("grpc-status-details-bin", encodeErrorDetails(error.wireDetails()));
        }
        if (error instanceof FakeFailure) throw new ServerError(error.code, error.message);
        throw error;
      }
    };
  }
}
