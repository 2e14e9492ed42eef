// @ts-check
// polling.js: what connection.js needs of a WebSocket, over plain HTTP, for networks that let none through. One request
// is held open until there is news; what is sent goes beside it.

import { newId } from "./outbox.js";

/** @typedef {{ frames: object[], closed?: number | null }} Answer */

const HELD_MS = 30_000; // the server lets go after 20 s: longer silence is a dead link
const SENT_MS = 15_000;
const PAUSE_MS = 400;
const CODES = new Map([["not_signed_in", 4401], ["not_allowed", 4403], ["unavailable", 1012]]);

export class PollingSocket {
  /** @param {() => number} cursor the last seq that was shown */
  constructor(cursor) {
    this.cursor = cursor;
    this.link = newId();
    this.readyState = 0;
    /** @type {(() => void) | null} */
    this.onopen = null;
    /** @type {((event: { data: string }) => void) | null} */
    this.onmessage = null;
    /** @type {((event: { code: number }) => void) | null} */
    this.onclose = null;
    /** @type {any} */
    this.hello = null;
    this.token = "";
    /** @type {object[]} */
    this.leaving = [];
    this.isSending = false;
    this.stop = new AbortController();
    queueMicrotask(() => { if (this.readyState === 0) { this.readyState = 1; this.onopen?.(); } });
  }

  /** @param {string} text a frame; the first is the hello */
  send(text) {
    const frame = JSON.parse(text);
    if (frame.type === "hello") {
      const { token, ...hello } = frame;
      Object.assign(this, { token, hello });
      void this.poll();
      return;
    }
    this.leaving.push(frame);
    if (!this.isSending) void this.flush();
  }

  close() { this.end(1000); }

  /** @param {number} code */
  end(code) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.stop.abort();
    this.onclose?.({ code });
  }

  async poll() {
    while (this.readyState === 1) {
      const began = Date.now();
      const answer = await this.ask("/widget/poll", { link: this.link, hello: { ...this.hello, seq: this.cursor() } }, HELD_MS);
      if (!answer) return;
      this.hear(answer);
      if (!answer.frames.length && Date.now() - began < PAUSE_MS) await new Promise((go) => setTimeout(go, PAUSE_MS));
    }
  }

  /** What waits goes out in order, together, one request at a time. */
  async flush() {
    this.isSending = true;
    while (this.leaving.length && this.readyState === 1) {
      const frames = this.leaving.splice(0, 20);
      const answer = await this.ask("/widget/send", { frames }, SENT_MS);
      if (answer) this.hear(answer);
    }
    this.isSending = false;
  }

  /** @param {Answer} answer */
  hear({ frames, closed }) {
    for (const frame of frames) if (this.readyState === 1) this.onmessage?.({ data: JSON.stringify(frame) });
    if (closed) this.end(closed);
  }

  /** @param {string} path @param {object} body @param {number} limit @returns {Promise<Answer | null>} null when the link has ended */
  async ask(path, body, limit) {
    const headers = { Authorization: `Bearer ${this.token}`, "Content-Type": "application/json" };
    const tooLong = window.setTimeout(() => this.end(0), limit);
    try {
      const reply = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), credentials: "omit", cache: "no-store", signal: this.stop.signal });
      const answer = await reply.json();
      if (reply.ok && Array.isArray(answer.frames)) return answer;
      this.end(CODES.get(answer.code) ?? 0);
    } catch {
      this.end(0);
    } finally {
      window.clearTimeout(tooLong);
    }
    return null;
  }
}
