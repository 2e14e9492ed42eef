// @ts-check
// uploads.js: files on their way. Words survive a reload; a file cannot, so it is sent at once, and again until the
// server has it or says no. A repeat carries the same client_id and is stored once.

/** @typedef {{ client_id: string, file: File, at: number, state: "waiting" | "sent" | "failed", code: string, tries: number }} Upload */

const AGAIN_MS = 3000;
const LONGEST_MS = 30_000;
const GIVE_UP_MS = 120_000;
const MOST_AT_ONCE = 5;

export class Uploads {
  /**
   * @param {{ token: () => string, id: () => string, largest: number, types: string[], changed: (item: Upload) => void, gone: (clientId: string) => void }} options
   */
  constructor({ token, id, largest, types, changed, gone }) {
    this.token = token;
    this.id = id;
    this.largest = largest;
    this.types = types;
    this.changed = changed;
    this.gone = gone;
    /** @type {Map<string, Upload>} */
    this.items = new Map();
    this.busy = false;
    /** @type {number | undefined} */
    this.timer = undefined;
    addEventListener("online", () => void this.flush());
  }

  /** @param {Iterable<File>} files */
  add(files) {
    for (const file of [...files].slice(0, MOST_AT_ONCE)) {
      /** @type {Upload} */
      const item = { client_id: this.id(), file, at: Date.now(), state: "waiting", code: "", tries: 0 };
      this.items.set(item.client_id, item);
      // The server says so too; but not after ten minutes on a slow line.
      if (file.size > this.largest) this.settle(item, "failed", "file_too_large");
      else if (file.type && !this.types.includes(file.type)) this.settle(item, "failed", "file_type");
      else this.changed(item);
    }
    void this.flush();
  }

  /** @param {string} clientId */
  discard(clientId) {
    this.items.delete(clientId);
    this.gone(clientId);
  }

  /** The entry is in the log. @param {string | null | undefined} clientId */
  landed(clientId) {
    if (clientId) this.items.delete(clientId);
  }

  /** One after the other, in the order chosen. */
  async flush() {
    if (this.busy) return;
    this.busy = true;
    window.clearTimeout(this.timer);
    let pause = 0;
    for (const item of [...this.items.values()]) {
      if (item.state !== "waiting" || !this.token()) continue;
      const code = await this.send(item);
      if (!this.items.has(item.client_id)) continue;
      if (code === "") this.settle(item, "sent", "");
      else if (code !== "later") this.settle(item, "failed", code);
      else { item.tries += 1; pause = Math.min(LONGEST_MS, AGAIN_MS * 2 ** (item.tries - 1)); this.changed(item); break; }
    }
    this.busy = false;
    if ([...this.items.values()].some((item) => item.state === "waiting")) this.timer = window.setTimeout(() => void this.flush(), pause || 250);
  }

  /** @param {Upload} item @returns {Promise<string>} "" when it is stored, "later", or why it never will be */
  async send(item) {
    const form = new FormData();
    form.set("client_id", item.client_id);
    form.set("file", item.file, item.file.name);
    try {
      const answer = await fetch("/widget/attachment", { method: "POST", body: form, headers: { Authorization: `Bearer ${this.token()}` }, credentials: "omit", signal: AbortSignal.timeout(GIVE_UP_MS) });
      if (answer.ok) return "";
      if (answer.status >= 500 || answer.status === 401) return "later"; // 401: the token is about to be renewed
      return String((await answer.json().catch(() => ({}))).code ?? "refused");
    } catch {
      return "later";
    }
  }

  /** @param {Upload} item @param {"sent" | "failed"} state @param {string} code */
  settle(item, state, code) {
    item.state = state;
    item.code = code;
    this.changed(item);
  }
}
