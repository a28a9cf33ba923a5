import { createFileRegistry, type DescMethod, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../../server/kernel/package-root.js";

/**
 * Every method of every service that the daemon serves: ours and health from the descriptors that
 * were generated, so that a new method is among them without being named, and reflection.
 */
export function servedMethods(): readonly DescMethod[] {
  const sets = [generated("descriptor.binpb"), generated("health.binpb"), reflection()];
  return sets.flatMap((bytes) => {
    const files = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
    return [...files].flatMap((each) => (each.kind === "service" ? each.methods : []));
  });
}

export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function generated(name: string): Uint8Array {
  return readFileSync(join(packageRoot, "proto/gen", name));
}

/** The reflection service's package brings its proto files, which nothing else needs compiled. */
function reflection(): Uint8Array {
  const protos = "node_modules/@grpc/reflection/build/proto";
  const args = ["build", protos, "--path", `${protos}/grpc`, "-o", "-#format=binpb"];
  return execFileSync(join(packageRoot, "node_modules/.bin/buf"), args, { cwd: packageRoot });
}
