import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Client, credentials, type ServiceError, status, type StatusObject } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { GrpcServer } from "../../../server/grpc/grpc-server.js";
import { Health } from "../../../server/grpc/health.js";
import { addReflection } from "../../../server/grpc/reflection.js";
import { bytesOf, fieldsOf, textOf } from "./decode-status.js";
import { MemoryLog, until } from "./text-service.js";

const identity = (bytes: Buffer): Buffer => bytes;

/** A message of one text field. */
function textField(field: number, text: string): Buffer {
  const writer = new BinaryWriter().tag(field, WireType.LengthDelimited).string(text);
  return Buffer.from(writer.finish());
}

/** The status in a HealthCheckResponse. */
function servingStatus(response: Buffer): number {
  return Number(fieldsOf(response).get(1)?.[0] ?? 0n);
}

const serving = 1;
const notServing = 2;

/** There is no field 0. */
const undecodable = Buffer.from([0]);

class StandardServer implements AsyncDisposable {
  readonly server: GrpcServer;
  readonly health: Health;
  readonly client: Client;

  private constructor(server: GrpcServer, health: Health, client: Client) {
    this.server = server;
    this.health = health;
    this.client = client;
  }

  static async start(): Promise<StandardServer> {
    const server = new GrpcServer({ log: new MemoryLog() });
    const health = new Health(["test.v1.TextService"]);
    health.addTo(server);
    addReflection(server);
    const address = await server.listen({ kind: "insecure", host: "127.0.0.1", port: 0 });
    return new StandardServer(server, health, new Client(address, credentials.createInsecure()));
  }

  check(service: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const path = "/grpc.health.v1.Health/Check";
      const request = textField(1, service);
      this.client.makeUnaryRequest(path, identity, identity, request, (error, response) => {
        if (error !== null || response === undefined) reject(error ?? new Error("no response"));
        else resolve(servingStatus(response));
      });
    });
  }

  /** Sends one reflection request and returns the response. */
  reflect(version: string, request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
      const call = this.client.makeBidiStreamRequest(path, identity, identity);
      call.on("data", resolve).on("error", reject);
      call.end(request);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    await this.server.stop({ graceMs: 0 });
  }
}

describe("the health service", () => {
  it("answers for the server and for each service, before, while and after it serves", async () => {
    await using standard = await StandardServer.start();
    for (const service of ["", "test.v1.TextService"]) {
      assert.equal(await standard.check(service), notServing);
    }
    standard.health.serving();
    for (const service of ["", "test.v1.TextService"]) {
      assert.equal(await standard.check(service), serving);
    }
    standard.health.stopping();
    assert.equal(await standard.check("test.v1.TextService"), notServing);
    await assert.rejects(
      standard.check("test.v1.Unknown"),
      (error: ServiceError) => error.code === status.NOT_FOUND,
    );
  });

  it("tells those who watch, and lets go of them when the server stops", async () => {
    await using standard = await StandardServer.start();
    const seen: number[] = [];
    let ended = false;
    standard.client
      .makeServerStreamRequest("/grpc.health.v1.Health/Watch", identity, identity, textField(1, ""))
      .on("data", (response: Buffer) => seen.push(servingStatus(response)))
      .on("error", () => undefined)
      .on("end", () => (ended = true));
    await until("the watch began", () => seen.length === 1);
    standard.health.serving();
    await until("it was told", () => seen.length === 2);
    standard.health.stopping();
    const begun = performance.now();
    await standard.server.stop({ graceMs: 5000 });
    assert.ok(performance.now() - begun < 2500, "the watch held up the stop");
    await until("the watch has ended", () => ended);
    assert.deepEqual(seen, [notServing, serving, notServing]);
  });
});

describe("the reflection service", () => {
  for (const version of ["v1", "v1alpha"]) {
    it(`lists what can be called, and describes it: ${version}`, async () => {
      await using standard = await StandardServer.start();
      const listed = fieldsOf(await standard.reflect(version, textField(7, "*")));
      const services = (fieldsOf(bytesOf(listed, 6)).get(1) ?? []).map((service) => {
        assert.ok(service instanceof Uint8Array);
        return textOf(fieldsOf(service), 1);
      });
      assert.ok(services.includes("forkbus.v1.ProcessService"));
      assert.ok(services.includes("grpc.health.v1.Health"));
      for (const service of services) {
        const described = fieldsOf(await standard.reflect(version, textField(4, service)));
        const files = fieldsOf(bytesOf(described, 4)).get(1) ?? [];
        const packages = files.map((file) => {
          assert.ok(file instanceof Uint8Array);
          return textOf(fieldsOf(file), 2);
        });
        assert.ok(packages.includes(service.slice(0, service.lastIndexOf("."))));
      }
    });
  }
});

describe("a standard service", () => {
  it("fails with a message of bounded size, and keeps the connection", async () => {
    await using standard = await StandardServer.start();
    const failed = await standard.check("é".repeat(50_000)).catch((error: unknown) => error);
    assert.ok(failed instanceof Error && "code" in failed);
    assert.equal(failed.code, status.NOT_FOUND, failed.message);
    assert.equal(await standard.check(""), notServing);
  });

  it("ends a call at what is no message, though answers to earlier ones are queued", async () => {
    await using standard = await StandardServer.start();
    const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    const call = standard.client.makeBidiStreamRequest(path, identity, identity);
    const ended = new Promise<StatusObject>((resolve) => call.once("status", resolve));
    call.on("error", () => undefined).resume();
    for (let requests = 0; requests < 20; requests++) call.write(textField(4, "x".repeat(100)));
    call.write(undecodable);
    assert.equal((await ended).code, status.INVALID_ARGUMENT);
  });
});

describe("a request to a standard service that is no message", () => {
  const methods = [
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "grpc.health.v1.Health/List",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
  ];
  for (const method of methods) {
    it(`is the caller's fault: ${method}`, async () => {
      await using standard = await StandardServer.start();
      const call = standard.client.makeBidiStreamRequest(`/${method}`, identity, identity);
      const ended = new Promise<StatusObject>((resolve) => call.once("status", resolve));
      call.on("error", () => undefined).resume();
      call.end(undecodable);
      const { code, details } = await ended;
      assert.equal(code, status.INVALID_ARGUMENT, details);
      assert.match(details, new RegExp(`no valid request of /${method}`));
      assert.equal(await standard.check(""), notServing, "others are served");
    });
  }
});
