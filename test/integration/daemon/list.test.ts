import assert from "node:assert/strict";
import { type Process, ProcessState } from "../../../proto/gen/forkbus/v1/process.js";
import { type DaemonHarness } from "../../support/daemon-harness.js";
import { ended } from "./support/ended.js";
import { failure } from "./support/failure.js";
import { sharedDaemon } from "./support/shared-daemon.js";

describe("ListProcesses", () => {
  const daemon = sharedDaemon();

  type Filter = Parameters<DaemonHarness["processes"]["listProcesses"]>[0];

  async function* pages(filter: Filter): AsyncIterable<readonly Process[]> {
    let pageToken = "";
    do {
      const page = await daemon().processes.listProcesses({ ...filter, pageToken });
      yield page.processes;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  async function names(filter: Filter): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const page of pages(filter)) found.push(...page.map(({ name }) => name));
    return found;
  }

  it("lists in the order of names, and each process once whatever comes and goes between the pages", async () => {
    const stay = Array.from({ length: 23 }, (_, n) => `pages/stay-${String(n).padStart(2, "0")}`);
    await Promise.all(stay.map((name) => daemon().create(["true"], {}, { name })));
    const seen: string[] = [];
    let round = 0;
    for await (const page of pages({ namePrefix: "pages/", pageSize: 4 })) {
      assert.ok(page.length <= 4);
      seen.push(...page.map(({ name }) => name));
      // One before and one behind the place of the next page.
      for (const name of [`pages/a-${round}`, `pages/z-${round}`]) {
        await daemon().create(["true"], {}, { name });
      }
      const coming = `pages/z-${round - 1}`;
      await daemon().processes.deleteProcess({ name: coming, force: true });
      round++;
    }
    assert.deepEqual(
      seen.filter((name) => name.startsWith("pages/stay")),
      stay,
    );
    assert.equal(new Set(seen).size, seen.length);
    assert.deepEqual(seen, [...seen].sort());
  });

  it("filters by state, by labels, all of which must match, and by the beginning of the name", async () => {
    const web = { app: "web", tier: "front" };
    await daemon().create(["sleep", "600"], {}, { name: "filter/one", labels: web });
    await daemon().create(["sleep", "600"], {}, { name: "filter/two", labels: { app: "web" } });
    const done = await daemon().create(["true"], {}, { name: "filter/three", labels: web });
    await ended(daemon(), done);
    const namePrefix = "filter/";
    const { EXITED, RUNNING, LOST } = ProcessState;
    assert.deepEqual(await names({ namePrefix, labels: { app: "web" } }), [
      "filter/one",
      "filter/three",
      "filter/two",
    ]);
    assert.deepEqual(await names({ namePrefix, labels: web }), ["filter/one", "filter/three"]);
    assert.deepEqual(await names({ namePrefix, labels: { app: "we" } }), []);
    assert.deepEqual(await names({ namePrefix, states: [EXITED] }), ["filter/three"]);
    assert.deepEqual(await names({ namePrefix, states: [RUNNING], labels: web }), ["filter/one"]);
    assert.deepEqual(await names({ namePrefix, states: [EXITED, RUNNING] }), [
      "filter/one",
      "filter/three",
      "filter/two",
    ]);
    assert.deepEqual(await names({ namePrefix, states: [LOST] }), []);
    assert.deepEqual(await names({ namePrefix: "filter/t" }), ["filter/three", "filter/two"]);
  });

  it("refuses a token that it did not make, or made for another filter", async () => {
    for (const name of ["token/1", "token/2"]) await daemon().create(["true"], {}, { name });
    const filter = { namePrefix: "token/", pageSize: 1 };
    const { nextPageToken } = await daemon().processes.listProcesses(filter);
    assert.notEqual(nextPageToken, "");
    for (const request of [
      { namePrefix: "token/", pageToken: "garbage" },
      { namePrefix: "tok", pageToken: nextPageToken },
      { namePrefix: "token/", labels: { a: "b" }, pageToken: nextPageToken },
    ]) {
      assert.equal(
        await failure((options) => daemon().processes.listProcesses(request, options)),
        "INVALID_ARGUMENT/PAGE_TOKEN_INVALID",
      );
    }
    const rest = await daemon().processes.listProcesses({
      namePrefix: "token/",
      pageToken: nextPageToken,
      pageSize: 1000,
    });
    assert.deepEqual(
      rest.processes.map(({ name }) => name),
      ["token/2"],
    );
  });

  it("shows the same as GetProcess", async () => {
    const { name } = await daemon().create(["true"], {}, { name: "same", labels: { a: "b" } });
    await ended(daemon(), { name });
    const { process } = await daemon().processes.getProcess({ name });
    const { processes } = await daemon().processes.listProcesses({ namePrefix: "same" });
    assert.deepEqual(processes, [process]);
  });
});
