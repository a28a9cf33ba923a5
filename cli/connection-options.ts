import { type Command, Option } from "commander";

/** How to reach the daemon; every command takes these, before or after its name. */
export function addConnectionOptions(command: Command): Command {
  const heading = "Connection options:";
  const options = [
    new Option("--address <address>", "unix:/path or tcp://host:port of the daemon"),
    new Option("--tls-ca <file>", "TCP: certificates to trust, instead of the system's"),
    new Option("--tls-cert <file>", "TCP: certificate to show to the daemon"),
    new Option("--tls-key <file>", "TCP: the key of that certificate"),
    new Option("--insecure", "TCP: without TLS; anybody on the way can read and change all"),
    new Option("--debug", "show the stack of an error that is a fault of this program"),
  ];
  for (const option of options) command.addOption(option.helpGroup(heading));
  return command;
}
