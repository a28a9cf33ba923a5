import { readFile } from "node:fs/promises";
import { type ListenAddress } from "../config/config.js";
import { type Logger } from "../observability/logger.js";
import { type ListenSpec } from "./grpc-server.js";

/** What is needed to listen there. Says in the log where whoever reaches an address may do everything. */
export async function listenSpec(address: ListenAddress, log: Logger): Promise<ListenSpec> {
  switch (address.kind) {
    case "unix":
      return address;
    case "insecure":
      log.warn("without TLS every user of this host can start programs as the daemon's user", {
        host: address.host,
        port: address.port,
      });
      return address;
    case "tls": {
      const { host, port, files } = address;
      if (files.clientCa === null) {
        log.warn("clients need no certificate: whoever reaches this address can start programs", {
          host,
          port,
        });
      }
      const identity = {
        cert: await readFile(files.cert),
        key: await readFile(files.key),
        clientCa: files.clientCa === null ? undefined : await readFile(files.clientCa),
      };
      return { kind: "tls", host, port, identity };
    }
  }
}
