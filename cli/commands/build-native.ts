import { Command } from "commander";
import { guarded } from "../action.js";
import { installation } from "../installation.js";
import { type Invocation } from "../invocation.js";
import { exitCode } from "../exit-code.js";
import { buildNative } from "../native-build.js";

export function buildNativeCommand(invocation: Invocation): Command {
  return new Command("build-native")
    .description(
      "Builds the keeper and the addon from the C sources in this package, with make and the C compiler of this host\n" +
        "($CC), and tries both. The daemon prefers them to those that the package brings. Downloads nothing.",
    )
    .action(async (_options: unknown, self: Command) => {
      await guarded(invocation, self, "plain", async () => {
        for await (const step of buildNative(installation())) {
          await invocation.screen.out(`${step}\n`);
        }
        return exitCode.ok;
      });
    });
}
