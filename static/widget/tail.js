// @ts-check
// tail.js: what stands below the log and is not in it: words on their way, an answer being written, who types, the wait.

import { noAnswerCard, waitCard } from "./cards.js";
import { el, face, icon, square } from "./dom.js";
import { initialsOf, machineBubble, visitorBubble } from "./entries.js";
import { chosenNode } from "./files.js";
import { t } from "./strings.js";

/** @typedef {import("./connection.js").Frame} Frame */
/** @typedef {import("./outbox.js").Item} Item */

const TYPING_MS = 6000; // as the protocol says
const NO_ANSWER_MS = 20_000;
const REASONS = new Map([["text_too_long", "reason_long"], ["text_empty", "reason_empty"]]);
const FILE_REASONS = new Map([["file_too_large", "reason_size"], ["picture_too_large", "reason_points"], ["file_type", "reason_type"], ["file_broken", "reason_damaged"], ["too_many_files", "reason_many"]]);

export class Tail {
  /**
   * @param {HTMLElement} place @param {string} business
   * @param {{ human: () => void, again: (text: string) => void, edit: (text: string) => void, discard: (clientId: string) => void, drop: (clientId: string) => void, email: () => void }} asks
   */
  constructor(place, business, asks) {
    this.place = place;
    this.business = business;
    this.asks = asks;
    /** @type {Map<string, HTMLElement>} */
    this.pending = new Map();
    /** @type {{ turn: unknown, epoch: number, text: string, broken: boolean, node: HTMLElement } | null} */
    this.stream = null;
    this.finished = new Set();
    this.epoch = 0;
    this.speaker = "ai";
    this.typist = "";
    /** @type {number | undefined} */
    this.thinkingEnds = undefined;
    /** @type {number | undefined} */
    this.typingEnds = undefined;
    /** @type {number | undefined} */
    this.patience = undefined;
    this.parts = Object.fromEntries(["sent", "answer", "typing", "wait", "fail"].map((name) => [name, place.appendChild(el("div", { class: "log", hidden: true }))]));
    this.wait = waitCard(() => asks.email());
    this.parts.wait.append(this.wait.node);
  }

  /** @param {string} name @param {...Node} nodes none hides it */
  put(name, ...nodes) {
    this.parts[name].replaceChildren(...nodes);
    this.parts[name].hidden = nodes.length === 0;
  }

  // -- words on their way ------------------------------------------------------------------------------------------

  /** @param {Item} item @param {"waiting" | "sent" | "failed" | "gone"} state @param {boolean} online */
  outgoing(item, state, online) {
    if (item.frame.type !== "message.send") return;
    const text = item.frame.text;
    let node = this.pending.get(item.client_id);
    if (state === "gone") { this.landed(item.client_id); return; }
    if (!node) {
      node = visitorBubble({ text, at: new Date(item.at).toISOString() }, "div");
      this.pending.set(item.client_id, node);
      this.parts.sent.append(node);
    }
    node.classList.toggle("is-pending", state === "waiting");
    node.classList.toggle("is-failed", state === "failed");
    const foot = /** @type {HTMLElement} */ (node.querySelector("footer"));
    foot.hidden = false;
    foot.replaceChildren(...(state === "failed" ? this.refusal(item) : [receipt(state, online)]));
    this.parts.sent.hidden = false;
  }

  /** A file on its way. @param {import("./uploads.js").Upload} item @param {boolean} online */
  uploading(item, online) {
    let node = this.pending.get(item.client_id);
    if (!node) {
      node = visitorBubble({ text: "", at: new Date(item.at).toISOString() }, "div", chosenNode(item.file, item.client_id));
      this.pending.set(item.client_id, node);
      this.parts.sent.append(node);
    }
    node.classList.toggle("is-pending", item.state === "waiting");
    node.classList.toggle("is-failed", item.state === "failed");
    const foot = /** @type {HTMLElement} */ (node.querySelector("footer")), drop = () => this.asks.drop(item.client_id);
    const reason = t(FILE_REASONS.get(item.code) ?? "reason_refused");
    foot.hidden = false;
    if (item.state === "failed") foot.replaceChildren(el("span", { class: "sent sent-fail", role: "alert" }, icon("alert"), t("not_sent", { reason })), el("button", { type: "button", class: "w-link", onclick: drop }, t("remove")));
    else foot.replaceChildren(receipt(item.state, online && item.tries === 0));
    this.parts.sent.hidden = false;
  }

  /** @param {Item} item */
  refusal(item) {
    const reason = t(REASONS.get(item.failed ?? "") ?? "reason_refused"), isText = REASONS.has(item.failed ?? "");
    const again = () => { this.asks.discard(item.client_id); isText ? this.asks.edit(item.frame.text) : this.asks.again(item.frame.text); };
    return [
      el("span", { class: "sent sent-fail" }, icon("alert"), t("not_sent", { reason })),
      el("button", { type: "button", class: "w-link", onclick: again }, isText ? t("edit") : t("send_again")),
    ];
  }

  /** The entry is in the log now. @param {string} clientId */
  landed(clientId) {
    this.pending.get(clientId)?.remove();
    this.pending.delete(clientId);
    this.parts.sent.hidden = this.pending.size === 0;
  }

  // -- the AI's answer ---------------------------------------------------------------------------------------------

  /** @param {Frame} frame @returns {boolean} whether anything is shown of it */
  delta(frame) {
    if (frame.epoch < this.epoch || this.finished.has(frame.turn)) return false;
    // In the same epoch somebody else speaks: these words came too late.
    if (frame.epoch === this.epoch && this.speaker !== "ai") return false;
    this.sawEpoch(frame.epoch);
    if (this.stream?.turn !== frame.turn) this.begin(frame);
    const stream = this.stream;
    if (!stream || stream.broken) return false;
    if (frame.offset > stream.text.length) { stream.broken = true; return false; } // the stored answer will be whole
    stream.text = stream.text.slice(0, frame.offset) + frame.text;
    this.drawStream(stream);
    return true;
  }

  /** @param {Frame} frame */
  begin(frame) {
    this.thinking(false);
    const node = machineBubble({ type: "message", text: "", at: new Date().toISOString() }, this.business, "div");
    this.stream = { turn: frame.turn, epoch: frame.epoch, text: "", broken: frame.offset > 0, node };
  }

  /** @param {{ text: string, node: HTMLElement }} stream */
  drawStream(stream) {
    const draft = machineBubble({ type: "message", text: stream.text.replace(/\[\d*$/, ""), at: "" }, this.business, "div");
    const body = /** @type {HTMLElement} */ (stream.node.querySelector(".body"));
    body.replaceChildren(.../** @type {HTMLElement} */ (draft.querySelector(".body")).childNodes);
    const last = body.lastElementChild;
    (last && ["UL", "OL"].includes(last.tagName) ? last.lastElementChild : last)?.append(el("span", { class: "caret", "aria-hidden": "true" }));
    if (!stream.node.isConnected) this.put("answer", stream.node);
  }

  /** A newer epoch silences the AI at once. @param {number} epoch */
  sawEpoch(epoch) {
    if (epoch <= this.epoch) return;
    this.epoch = epoch;
    if (this.stream && this.stream.epoch < epoch) this.dropStream();
    this.thinking(false);
  }

  dropStream() {
    this.stream = null;
    this.put("answer");
  }

  /** @param {Frame} entry that joined the log */
  entered(entry) {
    this.sawEpoch(entry.epoch);
    if (entry.client_id) this.landed(entry.client_id);
    if (entry.sender === "visitor" || entry.target) return; // a change of old words answers nothing
    if (entry.data?.turn !== undefined) this.finished.add(entry.data.turn);
    if (entry.sender === "ai" || entry.event) { this.dropStream(); this.thinking(false); this.answered(); }
    if (entry.sender === "agent") this.typing("", false);
  }

  /** The answer is being looked for. @param {boolean} on */
  thinking(on) {
    window.clearTimeout(this.thinkingEnds);
    if (!on) { if (this.typist === "ai") { this.typist = ""; this.put("typing"); } return; }
    if (this.stream || this.speaker !== "ai") return;
    this.typist = "ai";
    this.put("typing", el("div", { class: "w-typing" }, square(), el("span", { class: "typing typing-ai", role: "img", "aria-label": t("ai_writing") }, el("i"), el("i"), el("i"))));
    this.thinkingEnds = window.setTimeout(() => this.thinking(false), NO_ANSWER_MS);
  }

  /** Expect an answer to words that were stored. @param {string} text */
  expect(text) {
    window.clearTimeout(this.patience);
    this.put("fail");
    if (this.speaker !== "ai") return;
    this.thinking(true);
    this.patience = window.setTimeout(() => {
      if (this.speaker !== "ai" || this.stream) return;
      this.thinking(false);
      const close = () => this.put("fail");
      this.put("fail", noAnswerCard({ human: () => { close(); this.asks.human(); }, again: () => { close(); this.asks.again(text); } }));
    }, NO_ANSWER_MS);
  }

  answered() {
    window.clearTimeout(this.patience);
    this.put("fail");
  }

  // -- people ------------------------------------------------------------------------------------------------------

  /** @param {string} name @param {boolean} on */
  typing(name, on) {
    window.clearTimeout(this.typingEnds);
    if (!on) { if (this.typist === "agent") { this.typist = ""; this.put("typing"); } return; }
    this.typist = "agent";
    this.typingEnds = window.setTimeout(() => this.typing("", false), TYPING_MS);
    this.put("typing", el("div", { class: "w-typing" }, face(initialsOf(name)), el("span", { class: "typing", role: "img", "aria-label": t("is_typing", { name }) }, el("i"), el("i"), el("i"))));
  }

  /** @param {string} owner @param {number} epoch */
  speaks(owner, epoch) {
    this.sawEpoch(epoch);
    this.speaker = owner === "none" ? "ai" : owner; // after an ending the AI hears the next word
    if (this.speaker !== "ai") { this.dropStream(); this.thinking(false); this.answered(); }
    if (owner !== "agent") this.typing("", false);
    this.parts.wait.hidden = owner !== "queue";
  }

  reset() {
    this.epoch = 0;
    this.dropStream();
    this.answered();
    this.finished.clear();
  }
}

/** @param {string} state @param {boolean} online */
function receipt(state, online) {
  const [name, words] = state === "sent" ? ["check", t("sent")] : ["clock", online ? t("sending") : t("waiting_to_send")];
  return el("span", { class: "sent" }, icon(name), words);
}
