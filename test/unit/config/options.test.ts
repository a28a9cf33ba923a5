import assert from "node:assert/strict";
import { resolve } from "node:path";
import type { Config } from "../../../server/config/config.js";
import { ConfigError, readOptions } from "../../../server/config/options.js";

const ENV = { HOME: "/home/a", XDG_RUNTIME_DIR: "/run/user/7" };
const TLS = ["--tls-cert", "c.pem", "--tls-key", "k.pem"];

function read(args: readonly string[], env = {}, uid = 7): Config {
  return readOptions(["node", "serve", ...args], { ...ENV, ...env }, uid, "1.2.3");
}

class Exit extends Error {
  readonly code: unknown;

  constructor(code: unknown) {
    super("exit");
    this.code = code;
  }
}

/** What is said, and the exit code, where the command line ends the program. */
function refusal(args: readonly string[]): { readonly code: unknown; readonly said: string } {
  const { stdout, stderr } = process;
  const exit = process.exit.bind(process);
  const writeOut = stdout.write.bind(stdout);
  const writeError = stderr.write.bind(stderr);
  let said = "";
  const say = (text: unknown): boolean => {
    said += String(text);
    return true;
  };
  process.exit = (code) => {
    throw new Exit(code);
  };
  stdout.write = say;
  stderr.write = say;
  try {
    read(args);
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    return { code: error.code, said };
  } finally {
    process.exit = exit;
    stdout.write = writeOut;
    stderr.write = writeError;
  }
  assert.fail(`${args.join(" ")} is taken`);
}

describe("the options of the server", () => {
  it("have defaults for a user", () => {
    const { log, ...config } = read([]);
    assert.deepEqual(config, {
      stateDir: "/home/a/.local/state/forkbus",
      listen: [{ kind: "unix", path: "/run/user/7/forkbus/forkbus.sock" }],
      retention: { maxRecords: 10_000, maxAgeMs: 86_400_000 },
      cpus: null,
      reservedCpus: [],
      sharedCpus: 1,
      keeper: {
        socketPath: null,
        path: null,
        policyPath: null,
        cgroup: "auto",
        startDeadlineMs: 10_000,
        reserveBytes: 67_108_864,
      },
      interpreters: { python: "python3", node: process.execPath },
      stopGraceMs: 5000,
    });
    assert.equal(log.level, "info");
  });

  it("have defaults for root, who needs no home", () => {
    const { stateDir, listen } = read([], { HOME: "" }, 0);
    assert.equal(stateDir, "/var/lib/forkbus");
    assert.deepEqual(listen, [{ kind: "unix", path: "/run/forkbus/forkbus.sock" }]);
  });

  it("are all heard", () => {
    const config = read(
      [
        ["--state-dir", "state"],
        ["--retention-ms", "0", "--retained-processes", "5"],
        ["--cpus", "3,0-1", "--reserved-cpus", "0", "--shared-cpus", "2"],
        ["--keeper", "keeper", "--keeper-policy", "/etc/policy", "--cgroup", "none"],
        ["--start-deadline-ms", "1", "--log-reserve-bytes", "0", "--stop-grace-ms", "10"],
        ["--log-format", "json", "--log-level", "debug"],
        ["--python", "/opt/python", "--node", "/opt/node"],
      ].flat(),
    );
    assert.deepEqual(config, {
      stateDir: resolve("state"),
      listen: [{ kind: "unix", path: "/run/user/7/forkbus/forkbus.sock" }],
      log: { format: "json", level: "debug" },
      retention: { maxRecords: 5, maxAgeMs: 0 },
      cpus: [0, 1, 3],
      reservedCpus: [0],
      sharedCpus: 2,
      keeper: {
        socketPath: null,
        path: resolve("keeper"),
        policyPath: "/etc/policy",
        cgroup: "none",
        startDeadlineMs: 1,
        reserveBytes: 0,
      },
      interpreters: { python: "/opt/python", node: "/opt/node" },
      stopGraceMs: 10,
    });
  });

  it("name the socket of a keeper that somebody else starts, and then nothing that it decides", () => {
    const socket = ["--keeper-socket", "/run/k/keeper.sock"];
    assert.equal(read(socket).keeper.socketPath, "/run/k/keeper.sock");
    for (const other of [
      ["--keeper-policy", "/etc/policy"],
      ["--cgroup", "auto"],
      ["--start-deadline-ms", "5"],
    ]) {
      assert.match(refusal([...socket, ...other]).said, /cannot be used with option/);
    }
  });

  it("name Unix sockets in several ways", () => {
    const listen = ["/a/b", "unix:/a/b", "unix:///a/b", "unix:/a//x/../b"];
    for (const text of listen) {
      assert.deepEqual(read(["--listen", text]).listen, [{ kind: "unix", path: "/a/b" }], text);
    }
  });

  it("name TCP ports, of IPv6 in brackets", () => {
    const { listen } = read([
      "--insecure",
      ...["tcp://localhost:1", "tcp://[::1]:65535", "/a"].flatMap((text) => ["--listen", text]),
    ]);
    assert.deepEqual(listen, [
      { kind: "insecure", host: "localhost", port: 1 },
      { kind: "insecure", host: "::1", port: 65_535 },
      { kind: "unix", path: "/a" },
    ]);
  });

  it("serve TLS on every TCP address when there is a certificate", () => {
    const files = { cert: resolve("c.pem"), key: resolve("k.pem"), clientCa: null };
    const tcp = ["--listen", "tcp://[::]:7"];
    assert.deepEqual(read([...TLS, ...tcp]).listen, [{ kind: "tls", host: "::", port: 7, files }]);
    assert.deepEqual(read([...TLS, ...tcp, "--insecure", "--client-ca", "/ca.pem"]).listen, [
      { kind: "tls", host: "::", port: 7, files: { ...files, clientCa: "/ca.pem" } },
    ]);
  });

  const contradictions: readonly (readonly [string, readonly string[], RegExp])[] = [
    ["TCP without TLS", ["--listen", "tcp://0.0.0.0:1"], /^tcp:\/\/0.0.0.0:1 would be open to any/],
    ["a certificate without a key", ["--tls-cert", "c"], /^TLS needs both --tls-cert and --tls-k/],
    ["a key without a certificate", ["--tls-key", "k"], /^TLS needs both/],
    ["a client CA alone", ["--client-ca", "a", "--insecure"], /^TLS needs both/],
    ["a certificate for no address", TLS, /^--tls-cert needs an address to serve/],
    ["a certificate for sockets", [...TLS, "--listen", "/a"], /^--tls-cert needs an address/],
    ...["", "localhost:1", "unix:a", "tcp://", "tcp://h", "tcp://h:", "tcp://h:65536", "tcp://h:1/"]
      .concat(["tcp://::1:1", "tcp://[::1]", "tcp://a b:1", "http://h:1", "tcp://:1", "tcp://h:-1"])
      .map(
        (text) =>
          [
            `the address ${JSON.stringify(text)}`,
            ["--insecure", "--listen", text],
            /^An address is unix:\/path or tcp:\/\/host:port, got "/,
          ] as const,
      ),
  ];
  for (const [what, args, message] of contradictions) {
    it(`refuse ${what}`, () => {
      assert.throws(
        () => read(args),
        (error) => {
          assert.ok(error instanceof ConfigError, String(error));
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  it("need a state directory where there is no home", () => {
    assert.throws(
      () => read([], { HOME: undefined }),
      /^Error: There is no \$HOME .* --state-dir$/,
    );
    assert.equal(read(["--state-dir", "/s"], { HOME: undefined }).stateDir, "/s");
  });

  it("end the program with a sentence when a value cannot be right", () => {
    const numbers = ["--retention-ms", "--retained-processes", "--log-reserve-bytes"];
    for (const option of [...numbers, "--stop-grace-ms"]) {
      for (const value of ["", "-1", "1.5", "1e3", "0x10", " 1", "9".repeat(17)]) {
        const { code, said } = refusal([option, value]);
        assert.equal(code, 64);
        assert.match(said, /Expected a whole number from 0\./, `${option} ${value}`);
      }
    }
    assert.match(refusal(["--start-deadline-ms", "0"]).said, /a whole number from 1\./);
    for (const list of ["", "a", "3-1", "0,,1", "1-", "99999"]) {
      assert.match(refusal(["--cpus", list]).said, /CPUs are a list such as 0,2-3\./, list);
    }
    assert.match(refusal(["--log-format", "xml"]).said, /human, json/);
    assert.match(refusal(["--log-level", "trace"]).said, /debug, info, warn, error/);
  });

  it("end the program when they are unknown, incomplete or too many, and when help is asked", () => {
    assert.match(refusal(["--listne", "/a"]).said, /unknown option '--listne'/);
    assert.match(refusal(["--listen"]).said, /argument missing/);
    assert.match(refusal(["now"]).said, /too many arguments/);
    assert.deepEqual(refusal(["--version"]), { code: 0, said: "1.2.3\n" });
    const help = refusal(["--help"]);
    assert.equal(help.code, 0);
    assert.match(help.said, /default: unix:\/run\/user\/7\/forkbus\/forkbus\.sock/);
  });
});
