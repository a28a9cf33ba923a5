import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import {
  type CallOptions,
  type Client,
  connect,
  WorkerError,
} from "../../../client/typescript/index.js";
import { Process } from "../../../client/typescript/process.js";
import { type NodeTarget, type WorkerOptions } from "../../../client/typescript/process-options.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { childrenOf, commandLine, isAlive } from "../daemon/support/proc-fs.js";
import { ACTS } from "./support/acts.js";
import { FunctionFiles } from "./support/function-files.js";

const MIB = 1 << 20;
const runtimes = ["python", "node"] as const;
type Language = (typeof runtimes)[number];
type Options = WorkerOptions & Omit<NodeTarget, "node" | "python">;

for (const cgroup of ["auto", "none"] as const) {
  describe(`workers that go wrong, with --cgroup ${cgroup}`, function () {
    this.timeout(60_000);
    let daemon: DaemonHarness;
    let bus: Client;
    let files: FunctionFiles;

    before(async () => {
      files = await FunctionFiles.write(ACTS);
      daemon = await DaemonHarness.start({ args: ["--cgroup", cgroup] });
      bus = await connect(daemon.address);
    });

    after(async () => {
      bus.close();
      await daemon[Symbol.asyncDispose]();
      await files[Symbol.asyncDispose]();
    });

    const call = (language: Language, name: string, options: Options = {}): CallOptions => {
      const modulePath = [files.path];
      return language === "python"
        ? { ...options, modulePath, python: `acts:${name}` }
        : { ...options, modulePath, node: `./acts.mjs#${name}` };
    };

    async function strayPid(name: string): Promise<number> {
      const text = await eventually(
        () => readFile(files.file(name), "utf8").catch(() => ""),
        (seen) => seen.trim() !== "",
        { what: "the grandchild" },
      );
      return Number(text);
    }

    for (const language of runtimes) {
      describe(`in ${language}`, () => {
        it("take their descendants with them when they are stopped, wherever those have gone", async () => {
          const name = `stopped-${language}`;
          const args = [files.file(name), true, true];
          const worker = await bus.spawn(call(language, "stray", { args, env: { COLOUR: "red" } }));
          const stray = await strayPid(name);
          assert.ok(isAlive(stray));
          await worker.stop({ graceMs: 100 });
          await worker.exited;
          await eventually(
            () => isAlive(stray),
            (alive) => !alive,
            { what: `grandchild ${stray} to be killed` },
          );
        });

        it("leave no daemonised grandchildren behind when they return, and these are not listed", async () => {
          const name = `left-${language}`;
          const args = [files.file(name), false, false];
          const worker = await bus.spawn(call(language, "stray", { args }));
          const stray = await strayPid(name);
          const names = [];
          for await (const process of bus.list()) names.push(process.latest.status?.pid);
          assert.ok(!names.includes(stray));
          assert.equal((await worker.exited).kind, "exited");
          await eventually(
            () => isAlive(stray),
            (alive) => !alive,
            { what: `grandchild ${stray} to be killed` },
          );
        });

        if (cgroup === "none") return;

        it("take large arguments, and those that are too large are refused", async () => {
          const payload = (bytes: number) => ({
            data: Buffer.alloc(bytes, "x"),
            encoding: "raw",
          });
          const options = { payload: payload(2 * MIB), resultEncoding: "json" };
          assert.equal(await bus.call(call(language, "size", options)), 2 * MIB);
          await assert.rejects(
            bus.call(call(language, "size", { payload: payload(2 * MIB + 1) })),
            { code: "INVALID_ARGUMENT" },
          );
          await assert.rejects(
            bus.call(call(language, "size", { payload: payload(16 * MIB) })),
            (error) => error instanceof Error,
          );
          assert.equal(await bus.call(call(language, "size", { args: ["four"] })), 4);
        });

        it("give large results, and those that are too large are their exception", async () => {
          const result = (count: number) =>
            bus.call(call(language, "large", { args: [count], resultEncoding: "raw" }));
          const value = await result(2 * MIB);
          assert.ok(Buffer.isBuffer(value) && value.length === 2 * MIB);
          await assert.rejects(result(2 * MIB + 1), (error) => {
            assert.ok(error instanceof WorkerError, String(error));
            assert.equal(error.type, "ResultTooLarge");
            return true;
          });
          await assert.rejects(bus.call(call(language, "unspeakable")), WorkerError);
        });

        it("are what they were asked to be", async () => {
          for (const method of ["forkserver", "spawn"] as const) {
            const seen = await bus.call(
              call(language, "surroundings", {
                method,
                cwd: files.path,
                umask: 0o027,
                cpus: [1],
                env: { COLOUR: "blue" },
                rlimits: { RLIMIT_NOFILE: { soft: 123, hard: 456 } },
              }),
            );
            assert.deepEqual(
              seen,
              {
                cwd: files.path,
                umask: 0o027,
                cpus: [1],
                // Node raises its own soft limit when it starts.
                files: [language === "node" && method === "spawn" ? 456 : 123, 456],
                env: "blue",
                session: true,
              },
              method,
            );
          }
        });

        it("that cannot become that are not made, and the create says why", async () => {
          for (const method of ["forkserver", "spawn"] as const) {
            await assert.rejects(
              bus.call(call(language, "stay", { method, cwd: "/nowhere/at/all" })),
              { reason: "WORKING_DIR_INVALID" },
            );
            await assert.rejects(bus.call(call(language, "stay", { method, cwd: "/etc/passwd" })), {
              reason: "WORKING_DIR_INVALID",
            });
            await assert.rejects(
              bus.call(
                call(language, "stay", {
                  method,
                  rlimits: { RLIMIT_NOFILE: { soft: 1n << 40n, hard: 1n << 40n } },
                }),
              ),
              { code: "INVALID_ARGUMENT" },
            );
            await assert.rejects(bus.call(call(language, "stay", { method, cpus: [100_000] })));
          }
        });

        it("read their stdin, and write where they were told to", async () => {
          const reading = await bus.spawn(call(language, "echo", { openStdin: true }));
          await reading.stdin.write("half a word, ");
          await reading.stdin.write("and the rest");
          await reading.stdin.end();
          assert.equal(await reading.result(), "half a word, and the rest");
          assert.equal(await bus.call(call(language, "echo")), "");
          const merged = await bus.spawn(call(language, "both", { mergeStderr: true }));
          await merged.exited;
          const lines = Array.from({ length: 50 }, (_, i) => `out ${i}\nerr ${i}\n`).join("");
          assert.equal(await merged.stdout.text(), lines);
          const silent = await bus.spawn(call(language, "both", { stdout: "null" }));
          await silent.exited;
          assert.match(await silent.stderr.text(), /err 49/);
          assert.equal(await silent.stdout.text(), "");
        });

        it("are forked only from a live worker that serves", async () => {
          const child = (forkFrom: string) => bus.call(call(language, "stay", { forkFrom }));
          await assert.rejects(child("nobody"), { reason: "PROCESS_NOT_FOUND" });
          const busy = await bus.spawn(call(language, "stay"));
          await assert.rejects(child(busy.name), { reason: "FORKS_NOT_SERVED" });
          await busy.kill();
          await busy.exited;
          await assert.rejects(child(busy.name), { reason: "PROCESS_ENDED" });
          const server = await bus.spawn(call(language, "serve"));
          await eventually(
            () => server.refresh(),
            (process) => process.servesForks,
          );
          const other = language === "python" ? "node" : "python";
          await assert.rejects(bus.call(call(other, "stay", { forkFrom: server.name })), {
            code: "INVALID_ARGUMENT",
          });
          const children = await Promise.all(
            Array.from({ length: 4 }, () =>
              bus.spawn(call(language, "stay", { forkFrom: server.name })),
            ),
          );
          // In the middle of more of them.
          const late = Array.from({ length: 20 }, () =>
            bus.spawn(call(language, "stay", { forkFrom: server.name })).then(
              (process) => process,
              (error: unknown) => error,
            ),
          );
          await late[0];
          await server.kill();
          for (const made of await Promise.all(late)) {
            if (made instanceof Error) {
              assert.ok("reason" in made);
              assert.match(
                String(made.reason),
                /^(FORKS_NOT_SERVED|PROCESS_ENDED|START_INTERRUPTED)$/,
              );
            } else if (made instanceof Process) children.push(made);
          }
          for (const process of children) {
            await process.refresh();
            assert.equal(process.exit, undefined, "a child died with its server");
            await process.kill();
            await process.exited;
          }
        });

        it("that are killed between any two steps of their birth are accounted for", async () => {
          const keeper = daemon.keeperPid ?? 0;
          const template = await bus.templates.get(language);
          const known = new Set([template.report?.pid ?? assert.fail("no zygote serves")]);
          for (const pid of childrenOf(keeper)) {
            // The other's zygote, and its spare worker.
            if (!commandLine(pid).startsWith(`forkbus template: ${language}`)) known.add(pid);
          }
          const state = { done: false };
          let kills = 0;
          const killer = (async () => {
            while (!state.done) {
              for (const pid of childrenOf(keeper)) {
                if (known.has(pid) || !isAlive(pid)) continue;
                known.add(pid);
                process.kill(pid, "SIGKILL");
                kills++;
              }
              await new Promise((resolve) => setImmediate(resolve));
            }
          })();
          const ends = await Promise.all(
            Array.from({ length: 30 }, async () => {
              try {
                const worker = await bus.spawn(call(language, "stay"));
                const exit = await worker.exited;
                return exit.kind === "signaled" ? exit.signal : JSON.stringify(exit);
              } catch (error) {
                return error instanceof Error && "reason" in error ? error.reason : String(error);
              }
            }),
          );
          state.done = true;
          await killer;
          assert.ok(kills >= 30);
          for (const end of ends) assert.ok(end === 9 || end === "START_INTERRUPTED", String(end));
        });
      });
    }

    if (cgroup === "auto") {
      it("cannot serve forks with threads, and are told which", async () => {
        assert.match(String(await bus.call(call("python", "with_thread"))), /thread/);
      });
    }

    // After those in both languages.
    describe("all together", () => {
      it("leave no process behind that nobody knows", async () => {
        for await (const worker of bus.list()) {
          assert.equal(worker.latest.labels["forkbus/recovered"], undefined);
        }
        await eventually(
          () => childrenOf(daemon.keeperPid ?? 0),
          (children) => children.length === 4,
          { what: "only zygotes to be left, and a spare worker of each" },
        );
      });
    });
  });
}
