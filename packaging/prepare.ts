import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { packageRoot } from "../server/kernel/package-root.js";
import { cLibraryNotice } from "./c-library.js";
import { readDependencies, readText } from "./dependencies.js";
import { pruneCompiled } from "./prune.js";
import { type Included, renderThirdParty } from "./third-party.js";

/**
 * Makes what the package holds besides sources and compiled TypeScript: what is in C for this platform, the headers that
 * building the addon elsewhere needs, the Python fork server, and THIRD_PARTY.md.
 */
const modules = join(packageRoot, "node_modules");
const STRIP = process.env["STRIP"] ?? "strip";
/** Where Debian says whose the parts of its C library are. */
const C_LIBRARY_COPYRIGHT = "/usr/share/doc/libc6-dev/copyright";

function layOutPrebuilds(): void {
  const prebuilds = join(packageRoot, "dist/prebuilds");
  rmSync(prebuilds, { recursive: true, force: true });
  const directory = join(prebuilds, `${process.platform}-${process.arch}`);
  mkdirSync(directory, { recursive: true });
  const built = readdirSync(join(packageRoot, "dist/native"));
  const forNode = built.filter((name) => /^forkbus-zygote-\d+\.node$/.test(name));
  for (const name of ["forkbus-keeper", "forkbus.node", "forkbus-fork.so", ...forNode]) {
    const target = join(directory, name);
    // Without what only a debugger reads, such as the paths of the host that it was built on.
    execFileSync(STRIP, ["-o", target, join(packageRoot, "dist/native", name)]);
    chmodSync(target, 0o755);
  }
  if (existsSync(C_LIBRARY_COPYRIGHT)) {
    cpSync(C_LIBRARY_COPYRIGHT, join(directory, "c-library-copyright.txt"));
  }
}

function copyHeaders(): void {
  const target = join(packageRoot, "dist/node-api-headers");
  rmSync(target, { recursive: true, force: true });
  cpSync(join(modules, "node-api-headers/include"), target, { recursive: true });
}

function copyPythonZygote(): void {
  const target = join(packageRoot, "dist/server/zygotes/python");
  rmSync(target, { recursive: true, force: true });
  cpSync(join(packageRoot, "server/zygotes/python"), target, {
    recursive: true,
    filter: (path) => basename(path) !== "__pycache__",
  });
}

function included(): readonly Included[] {
  return [
    {
      title: "The C library in dist/prebuilds/*/forkbus-keeper",
      notice: cLibraryNotice(),
      text: "",
    },
    {
      title: "The headers of Node.js in dist/prebuilds/*/forkbus-zygote-*.node",
      notice:
        "Compiled with the headers of Node.js and libuv, under the MIT licence, and of V8, under the BSD 3-Clause licence;\nno more of these than inline functions is in it.",
      text: "",
    },
    {
      title: "dist/node-api-headers",
      notice: "Headers of Node-API, from the npm package node-api-headers.",
      text: readText(join(modules, "node-api-headers/LICENSE")),
    },
    {
      title: "dist/proto/gen/google, and its part of proto/gen/descriptor.binpb",
      notice: "Made from the well-known types of Protocol Buffers.",
      text: readText(join(modules, "protobufjs/google/LICENSE")),
    },
    {
      title: "proto/gen/health.binpb",
      notice:
        "Made from the definition of gRPC's health service in the npm package grpc-health-check,\nunder the Apache License 2.0, the text of which is in [LICENSE](LICENSE).",
      text: "",
    },
  ];
}

pruneCompiled(packageRoot);
layOutPrebuilds();
copyHeaders();
copyPythonZygote();
writeFileSync(
  join(packageRoot, "THIRD_PARTY.md"),
  renderThirdParty(included(), readDependencies(packageRoot)),
);
