import { execFileSync } from "node:child_process";

/** The C library that is linked into the prebuilt keeper, and what that asks of whoever passes it on. */
export function cLibraryNotice(): string {
  const glibc = answerOf("getconf", ["GNU_LIBC_VERSION"]);
  if (glibc === undefined) {
    return [
      "The keeper is linked statically with the C library of the host that it was built on, which is not glibc;",
      "musl, the usual one then, is under the MIT licence.",
    ].join("\n");
  }
  const format = "${source:Package} ${source:Version}";
  const source = answerOf("dpkg-query", ["--show", `--showformat=${format}`, "libc6-dev"]);
  const origin = source === undefined ? "" : `, from Debian's source package ${source}`;
  return [
    `The keeper is linked statically with the GNU C Library (${glibc}${origin}). The library is`,
    "Copyright (C) Free Software Foundation, Inc. and others, and under the GNU Lesser General Public License,",
    "version 2.1 or later: [licenses/LGPL-2.1.txt](licenses/LGPL-2.1.txt). The parts of GCC's runtime library in it are",
    "under the GPL, version 3, with the GCC Runtime Library Exception, which asks nothing of programs built with GCC.",
    "",
    "What the LGPL's section 6 gives you is here: the keeper's complete source and its Makefile are in",
    "[server/native/keeper](server/native/keeper), so that you can link it with a modified C library, or with another",
    "one: `forkbus build-native` does it, and the daemon then uses your keeper. You may change the keeper for your own",
    "use, and reverse-engineer it for debugging such changes. The library's own source is not in this package; the",
    "distribution named above publishes it. Whoever passes the prebuilt keeper on must see to it that the recipient can",
    "get that source too, or pass on the package without dist/prebuilds.",
  ].join("\n");
}

/** Undefined when there is no such program, or it knows of no such thing. */
function answerOf(program: string, args: readonly string[]): string | undefined {
  try {
    const stdio = ["ignore", "pipe", "ignore"] as const;
    return execFileSync(program, args, { encoding: "utf8", stdio: [...stdio] }).trim();
  } catch {
    return undefined;
  }
}
