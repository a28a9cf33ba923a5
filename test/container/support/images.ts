import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { GenericContainer } from "testcontainers";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { docker } from "./engine.js";

/** Keeper and daemon under an init, from deploy/Containerfile. */
export const DAEMON_IMAGE = "forkbus-test/daemon:local";
/** systemd as process 1, with our units installed. */
export const SYSTEMD_IMAGE = "forkbus-test/systemd:local";
const PACKAGE_IMAGE = "forkbus-test/package:local";

/**
 * Makes the images of the tests from what is built here. `FORKBUS_TEST_BASE_IMAGE` names a local image that has Node,
 * tini and systemd; without it they are made as users make them, from public base images, which takes minutes.
 */
export async function makeImages(base: string | undefined): Promise<void> {
  const bases: Record<string, string> = base === undefined ? {} : { BASE: base };
  if (base !== undefined) await makePackage(base);
  const args = { ...bases, ...(base === undefined ? {} : { PACKAGE: PACKAGE_IMAGE }) };
  await build(packageRoot, "deploy/Containerfile", DAEMON_IMAGE, args);
  await build(packageRoot, "test/container/fixtures/systemd.Containerfile", SYSTEMD_IMAGE, {
    ...bases,
    FORKBUS: DAEMON_IMAGE,
  });
}

/** What the build stage of deploy/Containerfile makes where there is a network: all that is needed to run. */
async function makePackage(base: string): Promise<void> {
  const stage = await mkdtemp(join(tmpdir(), "forkbus-package-"));
  try {
    const listed = execFileSync("npm", ["ls", "--omit=dev", "--all", "--parseable"], {
      cwd: packageRoot,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const modules = listed.split("\n").filter((path) => path.includes("/node_modules/"));
    const built = ["cli", "client", "native", "proto", "server", "wire"].map(
      (name) => `dist/${name}`,
    );
    const parts = [
      ...["package.json", "proto/gen", ...built].map((name) => join(packageRoot, name)),
      ...modules,
    ];
    for (const part of parts) {
      const to = join(stage, relative(packageRoot, part));
      await mkdir(join(to, ".."), { recursive: true });
      await cp(part, to, { recursive: true });
    }
    await cp(
      join(packageRoot, "test/container/fixtures/package.Containerfile"),
      join(stage, "Containerfile"),
    );
    await build(stage, "Containerfile", PACKAGE_IMAGE, { BASE: base });
  } finally {
    await rm(stage, { recursive: true });
  }
}

async function build(
  context: string,
  file: string,
  image: string,
  args: Record<string, string>,
): Promise<void> {
  // A failed build is told by the image that is missing.
  await (
    await docker()
  )
    .getImage(image)
    .remove({ force: true })
    .catch(() => undefined);
  await GenericContainer.fromDockerfile(context, file)
    .withBuildkit()
    .withBuildArgs(args)
    .build(image, { deleteOnExit: false });
}
