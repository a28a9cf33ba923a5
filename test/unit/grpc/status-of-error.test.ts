import { status } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DomainError, invalidField } from "../../../server/core/errors.js";
import {
  domainErrorCodes,
  reasonOfCode,
  statusOfDomainError,
  statusOfUndecodable,
  statusOfUnknownError,
} from "../../../server/grpc/status-of-error.js";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { bytesOf, decodeStatus, errorInfoOf, fieldsOf, textOf } from "./decode-status.js";

/** Reason -> the code that its comment in error.proto begins with. */
function documentedReasons(): Map<string, string> {
  const proto = readFileSync(join(packageRoot, "proto/forkbus/v1/error.proto"), "utf8");
  const pattern =
    /\n {2}\/\/ ([A-Z_]+)\.(?:[^\n]*\n {2}\/\/)*[^\n]*\n {2}ERROR_REASON_([A-Z_]+) =/g;
  return new Map([...proto.matchAll(pattern)].map((match) => [match[2] ?? "", match[1] ?? ""]));
}

describe("the status of an error", () => {
  it("is the one that error.proto documents, for every code", () => {
    const documented = documentedReasons();
    const codes = domainErrorCodes();
    assert.ok(codes.length > 30);
    const expected = codes.map((code) => `${code}: ${documented.get(reasonOfCode(code)) ?? "?"}`);
    const actual = codes.map((code) => {
      const failure = statusOfDomainError(new DomainError(code, "x"));
      return `${code}: ${status[failure.code]}`;
    });
    assert.deepEqual(actual, expected);
  });

  it("has the reason, the domain and the facts in ErrorInfo", () => {
    const error = new DomainError("process-not-found", "No process web/1", {
      facts: { name: "web/1", other: "ä" },
    });
    const failure = statusOfDomainError(error);
    assert.equal(failure.code, status.NOT_FOUND);
    assert.equal(failure.details, "No process web/1");
    assert.deepEqual(errorInfoOf(failure.metadata), {
      reason: "PROCESS_NOT_FOUND",
      domain: "forkbus",
      metadata: { name: "web/1", other: "ä" },
    });
    const decoded = decodeStatus(failure.metadata);
    assert.equal(decoded.code, status.NOT_FOUND);
    assert.equal(decoded.message, "No process web/1");
    assert.deepEqual([...decoded.details.keys()], ["ErrorInfo"]);
  });

  it("names the bad field of an invalid request", () => {
    const failure = statusOfDomainError(invalidField("spec.cwd", "x\0", "cwd has a NUL byte"));
    const badRequest = decodeStatus(failure.metadata).details.get("BadRequest");
    assert.ok(badRequest !== undefined);
    const violation = fieldsOf(bytesOf(badRequest, 1));
    assert.equal(textOf(violation, 1), "spec.cwd");
    assert.equal(textOf(violation, 2), "cwd has a NUL byte");
  });

  it("says when to try again, to the nanosecond", () => {
    const failure = statusOfDomainError(
      new DomainError("draining", "The daemon reads its state", { retryAfterMs: 12_345.2 }),
    );
    const retryInfo = decodeStatus(failure.metadata).details.get("RetryInfo");
    assert.ok(retryInfo !== undefined);
    const delay = fieldsOf(bytesOf(retryInfo, 1));
    assert.deepEqual([delay.get(1), delay.get(2)], [[12n], [346_000_000n]]);
  });

  it("says what is used up", () => {
    const failure = statusOfDomainError(new DomainError("queue-full", "Queue jobs is full"));
    const quota = decodeStatus(failure.metadata).details.get("QuotaFailure");
    assert.ok(quota !== undefined);
    assert.equal(textOf(fieldsOf(bytesOf(quota, 1)), 1), "QUEUE_FULL");
  });

  it("tells nothing but a reference of an unknown error", () => {
    const failure = statusOfUnknownError("abc123");
    assert.equal(failure.code, status.INTERNAL);
    assert.deepEqual(errorInfoOf(failure.metadata).metadata, { reference: "abc123" });
  });

  it("names the type of a request that cannot be decoded", () => {
    const failure = statusOfUndecodable("forkbus.v1.PutRequest", "premature end");
    assert.equal(failure.code, status.INVALID_ARGUMENT);
    assert.match(failure.details, /forkbus\.v1\.PutRequest: premature end/);
  });

  it("fits into the headers of a modest client, whatever the caller sent", () => {
    const huge = "ä\ud800".repeat(100_000);
    const facts = Object.fromEntries(
      Array.from({ length: 50 }, (_, index) => [`key${index}`, huge]),
    );
    const failure = statusOfDomainError(new DomainError("invalid-field", huge, { facts }));
    const details = failure.metadata.get("grpc-status-details-bin")[0];
    assert.ok(Buffer.isBuffer(details));
    const headerBytes = encodeURI(failure.details).length + (details.byteLength * 4) / 3;
    assert.ok(headerBytes < 7_000, `${headerBytes} bytes`);
  });
});
