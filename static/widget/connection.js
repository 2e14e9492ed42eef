// @ts-check
// connection.js: one socket to the server, kept alive. It knows frames, not what they mean.

/** @typedef {{ type: string, [field: string]: any }} Frame */
/** @typedef {{ state: "connecting" | "open" | "waiting" | "refused", until?: number, code?: string }} Status */

const RESUME_MS = 20_000;
const ANSWER_MS = 10_000; // a resume is always answered, at least by a state: silence means a dead link
const WELCOME_MS = 12_000;
const FIRST_WAIT_MS = 600;
const LONGEST_WAIT_MS = 15_000;
const NOT_SIGNED_IN = 4401, NOT_ALLOWED = 4403;

export class Connection {
  /**
   * @param {{ url: string, hello: () => Frame, cursor: () => number, onFrame: (frame: Frame) => void, onStatus: (status: Status) => void }} options
   * `hello` is asked anew for each socket; `cursor` is the last seq that was shown.
   */
  constructor({ url, hello, cursor, onFrame, onStatus }) {
    this.url = url;
    this.hello = hello;
    this.cursor = cursor;
    this.onFrame = onFrame;
    this.onStatus = onStatus;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.welcomed = false;
    this.tries = 0;
    this.visible = true;
    this.stopped = false;
    this.heardAt = 0;
    this.leastWait = 0;
    /** @type {number | undefined} */
    this.timer = undefined;
    /** @type {number | undefined} */
    this.deadline = undefined;
    this.pulse = window.setInterval(() => this.visible && this.resume(), RESUME_MS);
    addEventListener("online", () => this.tryNow());
    addEventListener("offline", () => this.drop());
  }

  get isOpen() {
    return this.welcomed && this.socket?.readyState === WebSocket.OPEN;
  }

  start() {
    if (this.stopped) return;
    window.clearTimeout(this.timer);
    window.clearTimeout(this.deadline);
    this.onStatus({ state: "connecting" });
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.welcomed = false;
    this.deadline = window.setTimeout(() => this.drop(), WELCOME_MS);
    socket.onopen = () => socket.send(JSON.stringify(this.hello()));
    socket.onmessage = (event) => { if (socket === this.socket) this.heard(event.data); };
    socket.onclose = (event) => { if (socket === this.socket) this.lost(event.code); };
  }

  /** @param {string} data */
  heard(data) {
    /** @type {Frame} */
    let frame;
    try { frame = JSON.parse(data); } catch { return; }
    if (!frame || typeof frame.type !== "string") return;
    this.heardAt = Date.now();
    window.clearTimeout(this.deadline);
    if (frame.type === "hello") {
      this.welcomed = true;
      this.tries = 0;
      this.onStatus({ state: "open" });
    } else if (frame.type === "error" && frame.code === "retry_later") {
      this.leastWait = 5000;
      this.drop();
      return;
    }
    this.onFrame(frame);
  }

  /** Give this socket up, as one does with a dead link that never says so. */
  drop() {
    const socket = this.socket;
    if (!socket) return;
    this.lost(0);
    socket.close();
  }

  /** @param {number} code */
  lost(code) {
    window.clearTimeout(this.deadline);
    this.socket = null;
    this.welcomed = false;
    if (this.stopped) return;
    if (code === NOT_SIGNED_IN || code === NOT_ALLOWED) {
      this.stopped = code === NOT_ALLOWED;
      this.onStatus({ state: "refused", code: code === NOT_SIGNED_IN ? "not_signed_in" : "not_allowed" });
      return;
    }
    const cap = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.tries);
    const wait = Math.max(this.leastWait, cap / 2 + (Math.random() * cap) / 2); // half of it by chance: no stampede after a restart
    this.tries += 1;
    this.leastWait = 0;
    this.timer = window.setTimeout(() => this.start(), wait);
    this.onStatus({ state: "waiting", until: Date.now() + wait });
  }

  tryNow() {
    if (!this.stopped && !this.socket) this.start();
  }

  /** @param {Frame} frame @returns {boolean} whether it was handed to an open socket */
  send(frame) {
    if (!this.isOpen) return false;
    /** @type {WebSocket} */ (this.socket).send(JSON.stringify(frame));
    return true;
  }

  /** Ask for what came after the cursor; without any answer the link is dead. */
  resume() {
    if (!this.send({ type: "resume", seq: this.cursor() })) return;
    window.clearTimeout(this.deadline);
    this.deadline = window.setTimeout(() => this.drop(), ANSWER_MS);
  }

  /** @param {boolean} visible */
  setVisible(visible) {
    if (visible === this.visible) return;
    this.visible = visible;
    if (!visible) return;
    if (this.isOpen) this.resume();
    else this.tryNow();
  }
}
