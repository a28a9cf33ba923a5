import { readFile } from "node:fs/promises";
import { type UserDatabase } from "../processes/admission.js";
import { type UserIds } from "../processes/keeper.js";

/** Users of /etc/passwd (passwd(5)), looked up afresh each time. Other sources, such as LDAP, are not asked. */
export class PasswdFile implements UserDatabase {
  readonly #path: string;

  constructor(path = "/etc/passwd") {
    this.#path = path;
  }

  async find(user: string): Promise<UserIds | undefined> {
    const text = await readFile(this.#path, "utf8");
    for (const line of text.split("\n")) {
      const [name, , uid, gid] = line.split(":");
      if (name !== user && uid !== user) continue;
      const ids = { uid: Number(uid), gid: Number(gid) };
      if (Number.isSafeInteger(ids.uid) && Number.isSafeInteger(ids.gid)) return ids;
    }
    return undefined;
  }
}
