// @ts-check
// live-socket.js: the desk's socket (docs/protocol.md). It greets, keeps itself alive, comes back by itself, and
// hands every fact to one listener. What must not be lost is not here: it is in the log, or in the outbox.

/** @typedef {{type: string, [field: string]: any}} Frame */
/** @typedef {{fact: (frame: Frame) => void, up: () => void, down: (retryInSeconds: number) => void,
 *   refused: (code: string, sentence: string) => void, beat: () => void}} Listener */

const FATAL = new Set([4401, 4403]);
const RESTART = 1012;
const LONGEST_WAIT_SECONDS = 20;
const TICKS_A_BEAT = 5; // the worker's tick is 4 s, so that a dead link is noticed within 20 + 12 s
const ANSWER_MS = 10_000; // a hello and a resume are always answered: longer silence is a dead link
const SPREAD_SECONDS = 5; // after a restart the desks come back one by one
const QUIET_MS = 6000; // and until then nobody needs to be told

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
    this.ticks = 0;
    /** When an answer was first waited for, in ms; 0 when none is. */
    this.askedAt = 0;
    this.quietUntil = 0;
    const pulse = new Worker(new URL("live-pulse.js", import.meta.url));
    pulse.onmessage = () => this.tick();
    addEventListener("online", () => this.now());
    document.addEventListener("visibilitychange", () => { if (!document.hidden && !this.ready) this.now(); });
  }

  tick() {
    this.ticks += 1;
    if (this.askedAt && Date.now() - this.askedAt >= ANSWER_MS) this.drop();
    else if (this.quietUntil && Date.now() >= this.quietUntil) { this.quietUntil = 0; this.listener.down(1); } // it should be back
    else if (this.ticks % TICKS_A_BEAT === 0) this.listener.beat();
  }

  connect() {
    clearTimeout(this.timer);
    this.askedAt = Date.now();
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/desk/`);
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", v: 1 }));
    socket.onmessage = (event) => { if (socket === this.socket) this.hear(JSON.parse(event.data)); };
    socket.onclose = (event) => { if (socket === this.socket) this.lost(event.code); };
  }

  /** @param {Frame} frame */
  hear(frame) {
    this.askedAt = 0;
    if (frame.type === "hello") {
      this.ready = true;
      this.fails = this.quietUntil = 0;
      this.listener.up();
    }
    if (frame.type === "error") this.lastError = frame;
    this.listener.fact(frame);
  }

  /** @param {number} code */
  lost(code) {
    const isRestart = code === RESTART && this.ready;
    this.ready = false;
    this.socket = null;
    this.askedAt = 0;
    if (FATAL.has(code)) {
      this.listener.refused(this.lastError?.code ?? "not_signed_in", this.lastError?.sentence ?? "Sign in again.");
      return;
    }
    if (isRestart) this.quietUntil = Date.now() + QUIET_MS;
    else this.fails += 1;
    const seconds = isRestart ? Math.random() * SPREAD_SECONDS : Math.min(LONGEST_WAIT_SECONDS, 2 ** (this.fails - 1)) * (0.5 + Math.random() / 2);
    if (Date.now() >= this.quietUntil) this.listener.down(Math.max(1, Math.round(seconds)));
    this.timer = setTimeout(() => this.connect(), seconds * 1000);
  }

  /** A socket that looks alive and is not. */
  drop() {
    const old = this.socket;
    if (!old) return;
    this.lost(0);
    old.close();
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
    if (frame.type === "resume") this.askedAt ||= Date.now();
    this.socket.send(JSON.stringify(frame));
    return true;
  }
}
