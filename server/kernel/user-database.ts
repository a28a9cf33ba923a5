import { readFile } from "node:fs/promises";
import { type UserDatabase } from "../processes/admission.js";
import { type UserIds } from "../processes/keeper.js";

/** Users of /etc/passwd (passwd(5)), looked up afresh each time. Other sources, such as LDAP, are not asked. */
export class PasswdFile implements UserDatabase {
  readonly #path: string;

  constructor(path = "/etc/passwd") {
    this.#path = path;
  }

  /** By name, or else by number: a name may be made of digits. Lines without numbers are no users. */
  async find(user: string): Promise<UserIds | undefined> {
    const text = await readFile(this.#path, "utf8");
    let byNumber: UserIds | undefined;
    for (const line of text.split("\n")) {
      const [name, , uid = "", gid = ""] = line.split(":");
      if (!NUMBER.test(uid) || !NUMBER.test(gid)) continue;
      const ids = { uid: Number(uid), gid: Number(gid) };
      if (name === user) return ids;
      if (uid === user) byNumber ??= ids;
    }
    return byNumber;
  }
}

const NUMBER = /^\d{1,10}$/;
