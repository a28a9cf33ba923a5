import { sweep } from "./engine.js";
import { makeImages } from "./images.js";

let made: Promise<void> | undefined;

/** For `before` of every file: images are made once, and what an earlier run has left is removed. */
export function setUp(): Promise<void> {
  // Its clean-up by a container of its own would need an image from a registry; ours goes by label.
  process.env["TESTCONTAINERS_RYUK_DISABLED"] = "true";
  made ??= sweep().then(() => makeImages(process.env["FORKBUS_TEST_BASE_IMAGE"]));
  return made;
}
