// @ts-check
// log.js: the ordered log, as far as it was shown. An entry joins only at its place; a hole is reported, not skipped.

import { leadForm, ratingCard } from "./cards.js";
import { el, icon } from "./dom.js";
import { dayLine, eventNode, goneText, textNode } from "./entries.js";
import { humanText, machineText } from "./prose.js";
import { t } from "./strings.js";

/** @typedef {import("./connection.js").Frame} Entry */
/** @typedef {{ entry: Entry, node: HTMLElement | null }} Shown */

const GROUP_MS = 3 * 60_000;
const VOICES = new Set(["handed_over", "standing", "contact_asked"]);

/** Whether somebody said or sent it; the rest are events. @param {Entry} entry */
const isBubble = (entry) => entry.kind === "text" || entry.kind === "file";

/** Whether an entry is somebody's words, or file, to the visitor. @param {Entry} entry */
export function isSpoken(entry) {
  return (isBubble(entry) && entry.sender !== "visitor" && entry.text !== "") || VOICES.has(entry.event);
}

export class Log {
  /**
   * @param {HTMLElement} list @param {string} business
   * @param {{ lead: (lead: { email: string, name: string }) => Promise<void>, rate: (rating: { score: number, comment: string }) => Promise<void>, human: () => void }} asks
   */
  constructor(list, business, asks) {
    this.list = list;
    this.business = business;
    this.asks = asks;
    this.reset();
  }

  reset() {
    this.last = 0;
    /** @type {Map<number, Shown>} */
    this.shown = new Map();
    /** @type {Shown | null} */
    this.before = null;
    this.day = "";
    this.words = "";
    /** @type {HTMLElement | null} */
    this.form = null;
    /** @type {HTMLElement | null} */
    this.rating = null;
    this.seenBy = { seq: 0, name: "" };
    this.list.replaceChildren();
  }

  /** @param {Entry} entry @returns {"old" | "hole" | "new"} */
  apply(entry) {
    if (entry.seq <= this.last) return "old";
    if (entry.prev !== this.last) return "hole";
    this.last = entry.seq;
    if (entry.target) this.change(entry);
    else this.show(entry);
    return "new";
  }

  /** @param {Entry} entry */
  show(entry) {
    const node = isBubble(entry) ? textNode(entry, this.business) : eventNode(entry, this.business);
    const shown = { entry, node };
    this.shown.set(entry.seq, shown);
    this.retireCards(entry);
    if (node) {
      node.dataset.seq = String(entry.seq);
      this.markDay(entry);
      this.group(shown);
      this.list.append(node);
    }
    this.before = shown;
    if (entry.kind === "text" && entry.sender === "visitor") this.words = entry.text;
    this.offer(entry);
    this.showReceipt();
  }

  /** Cards that the entry answers, or makes pointless. @param {Entry} entry */
  retireCards(entry) {
    const wrote = isBubble(entry) && entry.sender === "visitor";
    if (this.form && ["contact_left", "joined", "handed_over", "resolved"].includes(entry.event)) { this.form.remove(); this.form = null; }
    if (this.rating && (entry.event === "rated" || entry.event === "handed_over" || wrote)) { this.rating.remove(); this.rating = null; }
    if (wrote || entry.event) this.retireOffers();
  }

  /** The button under an answer that was none; pointless once people were called. */
  retireOffers() {
    for (const offer of this.list.querySelectorAll(".w-offer")) offer.remove();
  }

  /** What the entry asks of the visitor. @param {Entry} entry */
  offer(entry) {
    if ((entry.event === "standing" || entry.event === "contact_asked") && entry.data?.ask_email) this.askEmail();
    else if (entry.event === "resolved" && entry.data?.ask_rating) {
      this.rating = el("li", {}, ratingCard(entry.data.name ?? "", this.asks.rate));
      this.list.append(this.rating);
    } else if (entry.sender === "ai" && entry.kind === "text" && entry.data?.outcome === "unknown") {
      const ask = () => this.asks.human();
      this.list.append(el("li", { class: "w-offer" }, el("button", { type: "button", class: "btn btn-primary", onclick: ask }, icon("ask"), t("ask_person"))));
    }
  }

  askEmail() {
    this.form ??= el("li", {}, leadForm(this.words, this.asks.lead)); // asked again: moved down, with what was typed
    this.list.append(this.form);
  }

  /** @param {Entry} entry */
  markDay(entry) {
    const when = new Date(entry.at), day = when.toDateString();
    if (day === this.day || Number.isNaN(when.getTime())) return;
    if (this.day || day !== new Date().toDateString()) this.list.append(dayLine(when));
    this.day = day;
  }

  /** Words that follow words of the same speaker need no second name. @param {Shown} shown */
  group({ entry, node }) {
    const before = this.before;
    if (!before?.node || !before.node.isConnected || before.node !== this.list.lastElementChild) return;
    const sameVoice = isBubble(before.entry) && isBubble(entry) && before.entry.sender === entry.sender && before.entry.name === entry.name;
    if (!sameVoice || Date.parse(entry.at) - Date.parse(before.entry.at) > GROUP_MS) return;
    before.node.classList.add("is-followed");
    node?.classList.add("is-follower");
  }

  /** An edit, a deletion or an erasure of an earlier entry: it keeps its place. @param {Entry} entry */
  change(entry) {
    const shown = this.shown.get(entry.target), body = shown?.node?.querySelector(".body");
    if (!shown || !body) return;
    if (entry.event === "erased" || entry.event === "deleted") {
      shown.entry.text = "";
      body.classList.remove("body-file");
      body.replaceChildren(goneText(entry.event === "deleted"));
      shown.node?.classList.add("is-gone");
      shown.node?.querySelector(".w-edited")?.remove();
    } else if (entry.event === "edited") {
      shown.entry.text = entry.text;
      const citations = shown.entry.data?.citations ?? [];
      body.replaceChildren(shown.entry.sender === "ai" ? machineText(entry.text, citations) : humanText(entry.text, shown.entry.sender === "agent"));
      shown.node?.classList.remove("is-follower"); // its header says that it was edited
      const header = shown.node?.querySelector("header");
      if (header && !header.querySelector(".w-edited")) header.append(el("span", { class: "w-edited" }, t("edited")));
    }
  }

  /** How far the team has read. @param {number} seq @param {string} name of the person who speaks, or "" */
  setSeen(seq, name) {
    this.seenBy = { seq, name };
    this.showReceipt();
  }

  /** One receipt, at the newest of the visitor's own words. */
  showReceipt() {
    const own = [...this.shown.values()].reverse().find(({ entry }) => isBubble(entry) && entry.sender === "visitor");
    for (const { entry, node } of this.shown.values()) {
      const foot = entry.sender === "visitor" && isBubble(entry) ? node?.querySelector("footer") : null;
      if (!(foot instanceof HTMLElement)) continue;
      foot.hidden = entry !== own?.entry;
      if (foot.hidden) { foot.replaceChildren(); continue; }
      const seen = entry.seq <= this.seenBy.seq, words = seen ? (this.seenBy.name ? t("seen_by", { name: this.seenBy.name }) : t("seen")) : t("sent");
      if (foot.textContent?.trim() !== words) foot.replaceChildren(el("span", { class: "sent" }, icon(seen ? "checks" : "check"), words));
    }
  }
}
