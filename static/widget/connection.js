// @ts-check
// connection.js: one link to the server, kept alive: a WebSocket, or long polling where none gets through. It knows
// frames, not what they mean.

import { PollingSocket } from "./polling.js";

/** @typedef {{ type: string, [field: string]: any }} Frame */
/** @typedef {{ state: "connecting" | "open" | "waiting" | "refused", until?: number, code?: string }} Status */

const RESUME_MS = 20_000;
const ANSWER_MS = 10_000; // a resume is always answered, at least by a state: silence means a dead link
const WELCOME_MS = 12_000;
const FIRST_WELCOME_MS = 6000; // where no WebSocket ever opened, it is not worth a long wait
const FIRST_WAIT_MS = 600;
const LONGEST_WAIT_MS = 15_000;
const NOT_SIGNED_IN = 4401, NOT_ALLOWED = 4403, RESTART = 1012;
const SPREAD_MS = 5000; // after a restart the clients come back one by one
const QUIET_MS = 6000; // and until then nobody needs to be told
const FAILS = 2; // that a WebSocket may fail to open before long polling takes over; more where one has worked
const FAILS_AFTER_SUCCESS = 4;
const LOOK_AGAIN_MS = 15_000, LOOK_AGAIN_LONGEST_MS = 5 * 60_000;

export class Connection {
  /**
   * @param {{ url: string, hello: () => Frame, cursor: () => number, onFrame: (frame: Frame) => void, onStatus: (status: Status) => void, onWay: (polls: boolean) => void }} options
   * `hello` is asked anew for each link; `cursor` is the last seq that was shown; `onWay` tells when the way changes.
   */
  constructor({ url, hello, cursor, onFrame, onStatus, onWay }) {
    this.url = url;
    this.hello = hello;
    this.cursor = cursor;
    this.onFrame = onFrame;
    this.onStatus = onStatus;
    this.onWay = onWay;
    /** @type {WebSocket | PollingSocket | null} */
    this.socket = null;
    /** A WebSocket that is tried while polling works. @type {WebSocket | null} */
    this.scout = null;
    this.polls = false;
    this.fails = 0;
    this.worked = false;
    this.welcomed = false;
    this.tries = 0;
    this.visible = true;
    this.stopped = false;
    this.leastWait = 0;
    this.quietUntil = Date.now() + QUIET_MS / 2; // the first try may take another way
    this.lookAgain = LOOK_AGAIN_MS;
    /** @type {number | undefined} */
    this.timer = undefined;
    /** @type {number | undefined} */
    this.deadline = undefined;
    /** @type {number | undefined} */
    this.looking = undefined;
    this.pulse = window.setInterval(() => this.visible && this.resume(), RESUME_MS);
    addEventListener("online", () => { this.tryNow(); if (this.polls) this.scoutSoon(0); });
    addEventListener("offline", () => this.drop());
  }

  get isOpen() {
    return this.welcomed && this.socket?.readyState === WebSocket.OPEN;
  }

  /** Whether a missing link is no news yet. */
  get isQuiet() {
    return !this.isOpen && Date.now() < this.quietUntil;
  }

  start() {
    if (this.stopped) return;
    window.clearTimeout(this.timer);
    this.onStatus({ state: "connecting" });
    const socket = this.polls ? new PollingSocket(this.cursor) : new WebSocket(this.url);
    this.welcomed = false;
    this.take(socket);
    this.expect(this.polls || this.worked ? WELCOME_MS : FIRST_WELCOME_MS);
    socket.onopen = () => socket.send(JSON.stringify(this.hello()));
  }

  /** @param {WebSocket | PollingSocket} socket from now on the only one that counts */
  take(socket) {
    this.socket = socket;
    /** @param {{ data: string }} event */
    socket.onmessage = (event) => { if (socket === this.socket) this.heard(event.data); };
    /** @param {{ code: number }} event */
    socket.onclose = (event) => { if (socket === this.socket) this.lost(event.code); };
  }

  /** Something must be heard by then. @param {number} ms */
  expect(ms) {
    window.clearTimeout(this.deadline);
    this.deadline = window.setTimeout(() => this.drop(), ms);
  }

  /** @param {string} data */
  heard(data) {
    /** @type {Frame} */
    let frame;
    try { frame = JSON.parse(data); } catch { return; }
    if (!frame || typeof frame.type !== "string") return;
    window.clearTimeout(this.deadline);
    if (frame.type === "hello") this.welcome();
    else if (frame.type === "error" && frame.code === "retry_later") {
      this.leastWait = 5000;
      this.drop();
      return;
    }
    if (frame.type === "error" && frame.code === "too_fast" && frame.client_id) {
      this.leastWait = 1000 * frame.retry_after; // all that waits is sent again then, in order
      this.drop();
      return;
    }
    this.onFrame(frame);
  }

  welcome() {
    this.welcomed = true;
    this.tries = this.fails = 0;
    if (this.polls) this.scoutSoon(this.lookAgain);
    else this.worked = true;
    this.onWay(this.polls);
    this.onStatus({ state: "open" });
  }

  /** Give this link up, as one does with a dead one that never says so. */
  drop() {
    const socket = this.socket;
    if (!socket) return;
    this.lost(0);
    socket.close();
  }

  /** @param {number} code */
  lost(code) {
    const had = this.welcomed;
    window.clearTimeout(this.deadline);
    window.clearTimeout(this.looking);
    this.scout?.close();
    this.socket = this.scout = null;
    this.welcomed = false;
    if (this.stopped) return;
    if (code === NOT_SIGNED_IN || code === NOT_ALLOWED) {
      this.stopped = code === NOT_ALLOWED;
      this.onStatus({ state: "refused", code: code === NOT_SIGNED_IN ? "not_signed_in" : "not_allowed" });
      return;
    }
    const polled = this.polls;
    if (!had && navigator.onLine) this.chooseWay();
    const isOtherWay = this.polls && !polled; // the two ways are one try, with one pause
    const wait = had && code === RESTART ? this.restarting() : isOtherWay ? Math.random() * FIRST_WAIT_MS : this.backOff();
    this.timer = window.setTimeout(() => this.start(), wait);
    this.onStatus({ state: "waiting", until: Date.now() + wait });
  }

  restarting() {
    this.quietUntil = Date.now() + QUIET_MS;
    return Math.random() * SPREAD_MS;
  }

  backOff() {
    const cap = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.tries);
    const wait = Math.max(this.leastWait, cap / 2 + (Math.random() * cap) / 2); // half of it by chance: no stampede
    this.tries += 1;
    this.leastWait = 0;
    return wait;
  }

  /** A link that never opened: perhaps the other way does. Where neither does, they take turns. */
  chooseWay() {
    const most = this.worked ? FAILS_AFTER_SUCCESS : FAILS;
    if (this.polls) { this.polls = false; this.fails = most - 1; return; }
    this.fails += 1;
    this.polls = this.fails >= most;
  }

  /** @param {number} ms */
  scoutSoon(ms) {
    window.clearTimeout(this.looking);
    this.looking = window.setTimeout(() => this.sendScout(), ms);
  }

  /** Polling works; see whether a WebSocket does by now, and change over without a gap. */
  sendScout() {
    if (!this.polls || !this.isOpen || this.scout) return;
    const scout = new WebSocket(this.url), tooLong = window.setTimeout(() => scout.close(), WELCOME_MS);
    this.scout = scout;
    scout.onopen = () => scout.send(JSON.stringify(this.hello()));
    scout.onmessage = (event) => {
      window.clearTimeout(tooLong);
      const old = this.socket;
      if (this.scout !== scout || JSON.parse(event.data).type !== "hello") { scout.close(); return; }
      this.scout = null;
      this.polls = false;
      this.lookAgain = LOOK_AGAIN_MS;
      this.take(scout);
      old?.close();
      this.heard(event.data);
    };
    scout.onclose = () => {
      window.clearTimeout(tooLong);
      if (this.scout !== scout) return;
      this.scout = null;
      this.lookAgain = Math.min(LOOK_AGAIN_LONGEST_MS, this.lookAgain * 2);
      this.scoutSoon(this.lookAgain * (0.75 + Math.random() / 2));
    };
  }

  tryNow() {
    if (!this.stopped && !this.socket) this.start();
  }

  /** @param {Frame} frame @returns {boolean} whether it was handed to an open link */
  send(frame) {
    if (!this.isOpen) return false;
    /** @type {WebSocket | PollingSocket} */ (this.socket).send(JSON.stringify(frame));
    return true;
  }

  /** Ask for what came after the cursor; without any answer the link is dead. */
  resume() {
    if (this.send({ type: "resume", seq: this.cursor() })) this.expect(ANSWER_MS);
  }

  /** @param {boolean} visible */
  setVisible(visible) {
    if (visible === this.visible) return;
    this.visible = visible;
    if (visible) this.wake();
  }

  /** Somebody looks: be sure of the link. */
  wake() {
    if (this.isOpen) this.resume();
    else this.tryNow();
  }
}
