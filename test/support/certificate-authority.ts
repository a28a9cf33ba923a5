import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
const DAYS = ["-days", "2"];

/** Certificates of a small authority, made with openssl in a directory of their own. */
export class CertificateAuthority implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "forkbus-ca-"));
  readonly ca: Buffer;

  constructor() {
    const out = ["-keyout", "ca.key", "-out", "ca.crt"];
    this.#openssl("req", "-x509", ...NEW_KEY, ...out, ...DAYS, "-subj", "/CN=ca");
    this.ca = this.#read("ca.crt");
  }

  /** Also leaves `NAME.crt` and `NAME.key` in the directory, where `ca.crt` is. */
  issue(name: string, subject: string, hosts: readonly string[] = []): KeyPair {
    const request = ["-keyout", `${name}.key`, "-out", `${name}.csr`];
    this.#openssl("req", ...NEW_KEY, ...request, "-subj", subject);
    const names = ["DNS:localhost", "IP:127.0.0.1", ...hosts.map((host) => `DNS:${host}`)];
    writeFileSync(join(this.directory, `${name}.ext`), `subjectAltName=${names.join()}`);
    const signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", ...DAYS];
    const files = ["-in", `${name}.csr`, "-extfile", `${name}.ext`, "-out", `${name}.crt`];
    this.#openssl("x509", "-req", ...files, ...signed);
    return { cert: this.#read(`${name}.crt`), key: this.#read(`${name}.key`) };
  }

  #openssl(...args: string[]): void {
    execFileSync("openssl", args, { cwd: this.directory, stdio: "pipe" });
  }

  #read(name: string): Buffer {
    return readFileSync(join(this.directory, name));
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
