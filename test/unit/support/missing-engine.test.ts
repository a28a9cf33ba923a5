import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { missingEngine } from "../../support/missing-engine.js";

describe("what container tests lack", () => {
  it("is nothing where an engine answers, and else has a reason", async () => {
    const directory = await mkdtemp(join(tmpdir(), "forkbus-engine-"));
    const socket = join(directory, "docker.sock");
    const env = { DOCKER_HOST: `unix://${socket}` };
    assert.match((await missingEngine(env)) ?? "", /^no container engine answers at .*ENOENT/);
    let status = 200;
    const server = createServer((request, response) => {
      response.statusCode = request.url === "/_ping" ? status : 404;
      response.end();
    }).listen(socket);
    await once(server, "listening");
    assert.equal(await missingEngine(env), undefined);
    status = 500;
    assert.match((await missingEngine(env)) ?? "", /status 500/);
    server.close();
    await rm(directory, { recursive: true });
    assert.match((await missingEngine({ DOCKER_HOST: "tcp://a:2375" })) ?? "", /another host/);
  });
});
