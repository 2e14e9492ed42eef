// @ts-check
// entries.js: one entry of the log as a node.

import { el, face, icon, square } from "./dom.js";
import { fileNode } from "./files.js";
import { humanText, machineText, sources } from "./prose.js";
import { dayOf, t, timeOf } from "./strings.js";

/** @typedef {import("./connection.js").Frame} Entry */

/** @param {string} name */
export function initialsOf(name) {
  const parts = name.trim().split(/\s+/).filter(Boolean);
  const chosen = parts.length > 1 ? [parts[0], parts[parts.length - 1]] : parts;
  return chosen.map((part) => [...part][0]).join("").toUpperCase() || "?";
}

/** @param {string} iso */
function stamp(iso) {
  const when = new Date(iso);
  return Number.isNaN(when.getTime()) ? null : el("time", { datetime: iso }, timeOf(when));
}

/** The AI's voice: also of the one sentence of a handover. @param {Entry} entry @param {string} business @param {string} [tag] */
export function machineBubble(entry, business, tag = "li") {
  const citations = Array.isArray(entry.data?.citations) ? entry.data.citations : [];
  return el(tag, { class: "msg msg-ai" },
    el("header", {}, el("b", {}, business), el("span", { class: "w-ai" }, t("ai")), stamp(entry.at)),
    square(),
    el("div", { class: "body", dir: "auto" }, machineText(entry.text, citations), citations.length > 0 && sources(citations)));
}

/** In the place of words, or a file, that are no longer there. @param {boolean} deleted by who wrote them, or their colleagues */
export function goneText(deleted) {
  return el("p", { class: "w-gone" }, deleted ? t("deleted") : t("erased"));
}

/** What a person sent, words or a file. @param {Entry} entry @param {boolean} linked @returns {Node} */
function content(entry, linked) {
  if (entry.kind === "text" && !entry.text) return goneText(true);
  const file = entry.kind === "file" ? entry.data?.attachment : null;
  return file ? fileNode(file, entry.client_id) : humanText(entry.text, linked);
}

/** @param {Entry} entry */
function agentBubble(entry) {
  return el("li", { class: entry.kind === "text" && !entry.text ? "msg msg-agent is-gone" : "msg msg-agent" },
    el("header", {}, el("b", { dir: "auto" }, entry.name), stamp(entry.at)),
    face(initialsOf(entry.name)),
    el("div", { class: bodyClass(entry), dir: "auto" }, content(entry, true)));
}

/** @param {Entry} entry */
function bodyClass(entry) {
  return entry.kind === "file" ? "body body-file" : "body";
}

/** @param {{ text: string, at: string }} entry @param {string} [tag] @param {Node} [file] one that is on its way */
export function visitorBubble(entry, tag = "li", file) {
  const stored = /** @type {Entry} */ (/** @type {unknown} */ (entry));
  return el(tag, { class: "msg msg-out msg-visitor" },
    el("header", {}, el("b", {}, t("you")), stamp(entry.at)),
    el("div", { class: file ? "body body-file" : bodyClass(stored), dir: "auto" }, file ?? content(stored, false)),
    el("footer", { hidden: true }));
}

/** @param {Entry} entry @param {string} business */
export function textNode(entry, business) {
  if (entry.sender === "visitor") return visitorBubble(/** @type {any} */ (entry));
  return entry.sender === "agent" ? agentBubble(entry) : machineBubble(entry, business);
}

/** A line across the log. @param {{ mark?: Node | null, bold?: string, rest?: string, at?: string, key?: boolean }} line */
export function eventLine({ mark, bold, rest, at, key }) {
  return el("li", { class: key ? "event event-key" : "event" },
    el("span", {}, mark, bold && el("b", { dir: "auto" }, bold), rest && el("span", { dir: "auto" }, rest), at && stamp(at)));
}

/** @param {Date} when */
export function dayLine(when) {
  return eventLine({ rest: dayOf(when) });
}

/** @param {Entry} entry @param {string} business @returns {HTMLElement | null} what the event shows, if anything */
export function eventNode(entry, business) {
  const { data = {}, at } = entry, name = data.name ?? "", score = data.score;
  switch (entry.event) {
    case "handed_over": case "standing": case "contact_asked": return machineBubble(entry, business);
    case "joined": return eventLine({ mark: face(data.initials || initialsOf(name), "av-s"), bold: t("joined", { name }), at, key: true });
    case "left": return entry.text ? machineBubble(entry, business) : eventLine({ mark: icon("ci"), bold: t("left", { name }), at, key: true });
    case "handed_back": return eventLine({ mark: icon("sq"), bold: t("handed_back", { name }), at, key: true });
    case "resolved": return eventLine({ mark: icon("check"), bold: name ? t("solved_by", { name }) : t("ended"), at, key: true });
    case "contact_left": return eventLine({ mark: icon("mail"), rest: t("email_sent", { email: data.email ?? "" }), at });
    case "rated": return eventLine({ mark: icon("star"), rest: t("rated", { score }), at });
    default: return null; // an event of a newer server: nothing to show, nothing lost
  }
}
