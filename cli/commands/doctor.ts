import { access, constants, stat } from "node:fs/promises";
import { Command } from "commander";
import { parseAddress } from "../../client/typescript/address.js";
import { ForkbusError, PermissionDeniedError } from "../../client/typescript/errors.js";
import { CheckOutcome, type DiagnoseResponseCheck } from "../../proto/gen/forkbus/v1/admin.js";
import { guarded, type OutputOptions, outputOption } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { type AddressChoice, chooseAddress, connectToDaemon } from "../daemon-connection.js";
import { exitCode } from "../exit-code.js";
import { type Invocation } from "../invocation.js";
import { renderChecks, summarizeChecks } from "../output/check-list.js";
import { jsonDocument } from "../output/json.js";
import { checkJson } from "../output/server-json.js";
import { type SocketFinding, unreachableCheck } from "../unreachable-daemon.js";

export function doctorCommand(invocation: Invocation): Command {
  const command = new Command("doctor")
    .description(
      "Checks this connection, the daemon, its keeper and its host, and says of what is missing what that\n" +
        "costs and how to mend it. Changes nothing. Exit code 1 when a check failed; warnings are no failure.",
    )
    .addOption(outputOption());
  return addConnectionOptions(command).action(async (options: OutputOptions, self: Command) => {
    await guarded(invocation, self, "plain", async () => {
      const { screen } = invocation;
      const checks = await diagnose(self, invocation);
      await screen.out(
        options.output === "json"
          ? jsonDocument(checks.map(checkJson))
          : `${renderChecks(checks, screen.paint)}\n${summarizeChecks(checks)}\n`,
      );
      const failed = checks.some((check) => check.outcome === CheckOutcome.FAILED);
      return failed ? exitCode.failed : exitCode.ok;
    });
  });
}

async function diagnose(
  command: Command,
  invocation: Invocation,
): Promise<readonly DiagnoseResponseCheck[]> {
  const choice = chooseAddress(command, invocation);
  try {
    const client = await connectToDaemon(command, invocation);
    try {
      const { checks } = await client.admin.diagnose({});
      return [connected(choice, client.server.version, client.server.principal), ...checks];
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof ForkbusError)) throw error;
    const address = parseAddress(choice.address);
    // A socket that is not trusted was not tried, whatever it is.
    const isTried = !(error instanceof PermissionDeniedError);
    const socket = isTried && address.kind === "unix" ? await lookAt(address.path) : undefined;
    return [unreachableCheck(choice, error.message, socket)];
  }
}

function connected(
  { address, source }: AddressChoice,
  version: string,
  principal: string,
): DiagnoseResponseCheck {
  return {
    name: "client.connection",
    outcome: CheckOutcome.OK,
    message: `A daemon of version ${version} answers at ${address} (${source}) and knows you as ${principal}.`,
    consequence: "",
    remedy: "",
  };
}

async function lookAt(path: string): Promise<SocketFinding> {
  try {
    if (!(await stat(path)).isSocket()) return "other";
  } catch (error) {
    const code = codeOf(error);
    return code === "ENOENT" ? "absent" : code === "EACCES" ? "hidden" : "other";
  }
  try {
    await access(path, constants.W_OK);
    return "socket";
  } catch (error) {
    return codeOf(error) === "EACCES" ? "forbidden" : "socket";
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
