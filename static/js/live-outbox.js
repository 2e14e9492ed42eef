// @ts-check
// live-outbox.js: what an agent sent and the server has not confirmed, and what they began to write. Both survive a
// reload. A text keeps its client_id for good, so sending it twice stores it once.

/** @typedef {{client_id: string, conversation: string, text: string, note: boolean, sent: number, problem: string}} Item */

const OUTBOX = "live.outbox", DRAFT = "live.draft.";

/** Where a draft is kept; the agent's other tabs hear of changes there. @param {string} conversation */
export function draftKey(conversation) { return DRAFT + conversation; }

/** @returns {Item[]} */
function load() {
  try { return JSON.parse(sessionStorage.getItem(OUTBOX) ?? "[]"); } catch { return []; }
}

/** A random UUID, also where the page is not a secure context. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

export class Outbox {
  constructor() { this.items = load(); }

  save() { try { sessionStorage.setItem(OUTBOX, JSON.stringify(this.items)); } catch { /* memory alone, then */ } }

  /** @param {string} conversation @param {string} text @param {boolean} note */
  add(conversation, text, note) {
    const item = { client_id: uuid(), conversation, text, note, sent: 0, problem: "" };
    this.items.push(item);
    this.save();
    return item;
  }

  /** @param {string} clientId */
  get(clientId) { return this.items.find((item) => item.client_id === clientId); }

  /** @param {string} clientId */
  remove(clientId) {
    this.items = this.items.filter((item) => item.client_id !== clientId);
    this.save();
  }

  /** @param {string} conversation */
  of(conversation) { return this.items.filter((item) => item.conversation === conversation); }

  /** Those to send now: never sent on this socket, or unanswered for a while. @param {number} now */
  due(now) { return this.items.filter((item) => !item.problem && now - item.sent > 8000); }
}

/** @param {string} conversation */
export function readDraft(conversation) {
  try { return localStorage.getItem(DRAFT + conversation) ?? ""; } catch { return ""; }
}

/** @param {string} conversation @param {string} text */
export function keepDraft(conversation, text) {
  try {
    if (text) localStorage.setItem(DRAFT + conversation, text);
    else localStorage.removeItem(DRAFT + conversation);
  } catch { /* the field itself still holds it */ }
}
