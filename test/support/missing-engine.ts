import { request } from "node:http";

/** How long a living engine may take to say that it lives. */
const PATIENCE_MS = 10_000;

/** Why container tests cannot run here; undefined when an engine answers. */
export async function missingEngine(
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  const host = env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  const socketPath = /^unix:\/\/(\/.+)$/.exec(host)?.[1];
  if (socketPath === undefined) return `the engine at ${host} is on another host`;
  const trouble = await ping(socketPath);
  return trouble === undefined
    ? undefined
    : `no container engine answers at ${socketPath} (${trouble})`;
}

function ping(socketPath: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const call = request({ socketPath, path: "/_ping", timeout: PATIENCE_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode ?? 0}`);
    });
    call.on("timeout", () => call.destroy(new Error("silence")));
    call.on("error", (error) => {
      resolve("code" in error ? String(error.code) : error.message);
    });
    call.end();
  });
}
