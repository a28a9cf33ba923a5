import { BinaryReader } from "@bufbuild/protobuf/wire";
import { ReflectionService } from "@grpc/reflection";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../kernel/package-root.js";
import type { GrpcServer } from "./grpc-server.js";

/** Our API, and the health service. */
const descriptorSets = ["descriptor.binpb", "health.binpb"];

/**
 * The standard reflection service (v1 and v1alpha), which tells tools such as grpcurl what can be
 * called: everything in proto/forkbus, and health. Throws when the descriptors were not generated.
 */
export function addReflection(server: Pick<GrpcServer, "addService">): void {
  // The service looks at the files alone; a loaded package would have them under each message type.
  const everything = {
    format: "Protocol Buffer 3 EnumDescriptorProto" as const,
    type: {},
    fileDescriptorProtos: descriptorSets.flatMap((name) => filesOfDescriptorSet(read(name))),
  };
  new ReflectionService({ everything }).addToServer(server);
}

function read(name: string): Uint8Array {
  const path = join(packageRoot, "proto", "gen", name);
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`The descriptors ${path} cannot be read: run make build`, { cause: error });
  }
}

/** The encoded files of a google.protobuf.FileDescriptorSet: its field 1. */
export function filesOfDescriptorSet(bytes: Uint8Array): Buffer[] {
  const files: Buffer[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) files.push(Buffer.from(reader.bytes()));
    else reader.skip(wireType);
  }
  return files;
}
