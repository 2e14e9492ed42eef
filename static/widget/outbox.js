// @ts-check
// outbox.js: what the visitor did and the server has not confirmed. It survives a lost link and, through the loader, a reload.

/** @typedef {import("./connection.js").Frame} Frame */
/** @typedef {{ client_id: string, frame: Frame, at: number, failed?: string, tries?: number }} Item */
/** @typedef {{ resolve: () => void, reject: (problem: Error) => void }} Waiter */

const AGAIN_MS = 8000;
const LONGEST_MS = 30_000;

export class Outbox {
  /**
   * @param {(frame: Frame) => boolean} send
   * @param {{ keep: (item: Item) => void, forget: (clientId: string) => void, changed: (item: Item, state: "waiting" | "sent" | "failed" | "gone") => void }} told
   */
  constructor(send, told) {
    this.send = send;
    this.told = told;
    /** @type {Map<string, Item>} */
    this.items = new Map();
    /** @type {Map<string, Waiter>} */
    this.waiters = new Map();
    /** @type {Map<string, number>} */
    this.sentAt = new Map();
    setInterval(() => this.flush(), 2000);
  }

  /** @param {string} type @param {object} fields @returns {Promise<void>} settles with the server's answer */
  add(type, fields) {
    const clientId = newId();
    /** @type {Item} */
    const item = { client_id: clientId, frame: { type, client_id: clientId, ...fields }, at: Date.now() };
    this.items.set(clientId, item);
    this.told.keep(item);
    this.told.changed(item, "waiting");
    this.flush();
    return new Promise((resolve, reject) => this.waiters.set(clientId, { resolve, reject }));
  }

  /** @param {Item[]} items from before a reload */
  restore(items) {
    for (const item of items) {
      if (!item?.client_id || !item.frame?.type || this.items.has(item.client_id)) continue;
      this.items.set(item.client_id, item);
      this.told.changed(item, item.failed ? "failed" : "waiting");
    }
  }

  /** A new socket knows nothing of what the old one took. */
  reconnected() {
    this.sentAt.clear();
    this.flush();
  }

  /** Send, in order, all that was not sent or stayed without an answer for too long. Repeats are harmless. */
  flush() {
    for (const item of this.items.values()) {
      if (item.failed) continue;
      const pause = Math.min(LONGEST_MS, AGAIN_MS * ((item.tries ?? 0) + 1));
      if (Date.now() - (this.sentAt.get(item.client_id) ?? 0) < pause) continue;
      if (!this.send(item.frame)) return;
      item.tries = (item.tries ?? 0) + 1;
      this.sentAt.set(item.client_id, Date.now());
    }
  }

  /** @param {string | null | undefined} clientId @returns {boolean} whether it was ours, and unconfirmed until now */
  confirm(clientId) {
    const item = clientId ? this.items.get(clientId) : undefined;
    if (!item) return false;
    this.forget(item);
    this.told.changed(item, "sent");
    this.waiters.get(item.client_id)?.resolve();
    this.waiters.delete(item.client_id);
    return true;
  }

  /** @param {Frame} error */
  refuse(error) {
    const item = this.items.get(error.client_id);
    if (!item || error.retryable) return;
    const waiter = this.waiters.get(item.client_id);
    waiter?.reject(new Error(error.code));
    this.waiters.delete(item.client_id);
    item.failed = error.code;
    if (item.frame.type === "message.send") this.told.keep(item);
    else this.forget(item);
    this.told.changed(item, "failed");
  }

  /** @param {string} clientId */
  discard(clientId) {
    const item = this.items.get(clientId);
    if (!item) return;
    this.forget(item);
    this.told.changed(item, "gone");
  }

  /** All of one kind that wait. @param {string} type */
  has(type) {
    return [...this.items.values()].some((item) => item.frame.type === type && !item.failed);
  }

  /** @param {Item} item */
  forget(item) {
    this.items.delete(item.client_id);
    this.sentAt.delete(item.client_id);
    this.told.forget(item.client_id);
  }
}

/** A UUID, also where the page is not a secure context. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
