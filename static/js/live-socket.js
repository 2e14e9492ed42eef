// @ts-check
// live-socket.js: the desk's socket (docs/protocol.md). It greets, keeps itself alive, comes back by itself, and
// hands every fact to one listener. What must not be lost is not here: it is in the log, or in the outbox.

/** @typedef {{type: string, [field: string]: any}} Frame */
/** @typedef {{fact: (frame: Frame) => void, up: () => void, down: (retryInSeconds: number) => void,
 *   refused: (code: string, sentence: string) => void, beat: () => void}} Listener */

const FATAL = new Set([4401, 4403]);
const LONGEST_WAIT_SECONDS = 20;

export class Desk {
  /** @param {Listener} listener */
  constructor(listener) {
    this.listener = listener;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.ready = false;
    this.fails = 0;
    /** @type {Frame | null} */
    this.lastError = null;
    /** @type {number | undefined} */
    this.timer = undefined;
    const pulse = new Worker(new URL("live-pulse.js", import.meta.url));
    pulse.onmessage = () => listener.beat();
    addEventListener("online", () => this.now());
    document.addEventListener("visibilitychange", () => { if (!document.hidden && !this.ready) this.now(); });
  }

  connect() {
    clearTimeout(this.timer);
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/desk/`);
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", v: 1 }));
    socket.onmessage = (event) => { if (socket === this.socket) this.hear(JSON.parse(event.data)); };
    socket.onclose = (event) => { if (socket === this.socket) this.lost(event.code); };
  }

  /** @param {Frame} frame */
  hear(frame) {
    if (frame.type === "hello") {
      this.ready = true;
      this.fails = 0;
      this.listener.up();
    }
    if (frame.type === "error") this.lastError = frame;
    this.listener.fact(frame);
  }

  /** @param {number} code */
  lost(code) {
    this.ready = false;
    this.socket = null;
    if (FATAL.has(code)) {
      this.listener.refused(this.lastError?.code ?? "not_signed_in", this.lastError?.sentence ?? "Sign in again.");
      return;
    }
    this.fails += 1;
    // Spread out: after a restart not every desk comes back in the same second.
    const seconds = Math.min(LONGEST_WAIT_SECONDS, 2 ** (this.fails - 1)) * (0.75 + Math.random() / 2);
    this.listener.down(Math.max(1, Math.round(seconds)));
    this.timer = setTimeout(() => this.connect(), seconds * 1000);
  }

  /** Drop a socket that looks alive and is not, and try at once. */
  now() {
    const old = this.socket;
    this.socket = null;
    this.ready = false;
    old?.close();
    this.connect();
  }

  /** @param {Frame} frame @returns {boolean} whether it left; only what `ack` confirms has arrived */
  send(frame) {
    if (!this.ready || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }
}
