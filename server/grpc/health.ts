import type { ServerWritableStream, UntypedServiceImplementation } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { GrpcServer } from "./grpc-server.js";

type Watch = ServerWritableStream<unknown, unknown>;

/** The standard health service: one status for the server (the empty name) and one for each service. */
export class Health {
  readonly #implementation = new HealthImplementation();
  readonly #services: readonly string[];
  readonly #watches = new Set<Watch>();
  #stopping = false;

  /** `services` are full names, as `forkbus.v1.QueueService`. They are NOT_SERVING until `serving`. */
  constructor(services: readonly string[]) {
    this.#services = ["", ...services];
    this.#setAll("NOT_SERVING");
  }

  addTo(server: Pick<GrpcServer, "addService">): void {
    this.#implementation.addToServer({
      addService: (service, implementation) => {
        server.addService(service, this.#rememberingWatches(implementation));
      },
    });
  }

  serving(): void {
    this.#setAll("SERVING");
  }

  /** Tells those who watch, and ends their streams: a watch never ends by itself and would hold up the stop. */
  stopping(): void {
    this.#stopping = true;
    this.#setAll("NOT_SERVING");
    for (const watch of this.#watches) watch.end();
  }

  #rememberingWatches(implementation: UntypedServiceImplementation): UntypedServiceImplementation {
    const { watch } = implementation;
    if (watch === undefined) throw new Error("The health service has no method watch");
    return {
      ...implementation,
      watch: (call: Watch) => {
        this.#watches.add(call);
        call.once("cancelled", () => this.#watches.delete(call));
        Reflect.apply(watch, implementation, [call]);
        if (this.#stopping) call.end();
      },
    };
  }

  #setAll(status: "SERVING" | "NOT_SERVING"): void {
    for (const service of this.#services) this.#implementation.setStatus(service, status);
  }
}
