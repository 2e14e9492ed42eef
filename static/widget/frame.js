// @ts-check
// frame.js: the chat inside the iframe. It wires the parts; each part knows one thing.

import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { el, find } from "./dom.js";
import { initialsOf, machineBubble } from "./entries.js";
import { fetchFilesWith, forgetFiles } from "./files.js";
import { Head } from "./head.js";
import { Host } from "./host.js";
import { isSpoken, Log } from "./log.js";
import { newId, Outbox } from "./outbox.js";
import { span, speak, t } from "./strings.js";
import { Tail } from "./tail.js";
import { Uploads } from "./uploads.js";

/** @typedef {import("./connection.js").Frame} Frame */
/** @typedef {import("./head.js").State} State */

const setup = JSON.parse(find("#setup").textContent ?? "{}");
speak(setup.words, setup.language);
const business = setup.project.name;
const MOST_ENTRIES = 200; // the server's portion: after a full one there may be more
const PREVIEW_CHARACTERS = 140;
const OWN_DEEDS = new Set(["rated", "contact_left"]);

/** @type {{ token: string, page: any, open: boolean, away: boolean, full: boolean, language: string }} */
const self = { token: "", page: null, open: true, away: false, full: false, language: "" };
/** @type {State} */
let state = { owner: "ai", epoch: 0, agent: null, seen: { visitor: 0, team: 0 }, waiting_since: null };
/** @type {import("./connection.js").Status} */
let link = { state: "connecting" };
let seenSent = 0, portion = 0, clockAhead = 0, resumeAsked = 0, wasOpen = false, stuck = true;
/** @type {Frame[]} */
let unread = [];

const body = find("[data-body]"), human = /** @type {HTMLButtonElement} */ (find("[data-human]")), banner = find("[data-banner]"), below = find("[data-below]"), start = find("[data-start]");
const head = new Head(business);
const askHuman = () => { if (!outbox.has("human.request")) void outbox.add("human.request", {}).catch(() => showFoot()); showFoot(); toEnd(); };
const post = (/** @type {string} */ text) => { outbox.add("message.send", { text }).catch(() => undefined); toEnd(); };
const put = (/** @type {string} */ text) => { composer.write([text, composer.field.value].filter(Boolean).join("\n")); composer.focus(); };
const log = new Log(find("[data-log]"), business, {
  lead: (lead) => outbox.add("lead.submit", lead.name ? lead : { email: lead.email }),
  rate: (rating) => outbox.add("rating.submit", rating),
  human: askHuman,
});
const tail = new Tail(find("[data-tail]"), business, {
  human: askHuman, again: post, edit: put,
  discard: (clientId) => outbox.discard(clientId),
  drop: (clientId) => uploads.discard(clientId),
  email: () => { keepEnd(() => log.askEmail()); },
});
const connection = new Connection({
  url: `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws/visitor/`,
  hello: () => ({ type: "hello", v: setup.v, token: self.token, seq: log.last, language: self.language || setup.language, ...(self.page ? { page: self.page } : {}) }),
  cursor: () => log.last,
  onFrame: (frame) => keepEnd(() => heard(frame)),
  onStatus: (status) => { link = status; showLink(); },
  onWay: (polls) => host.tell("way", { polls }),
});
/** Whether there is nothing to say about the line: it is there, or comes back by itself. */
const isFine = () => connection.isOpen || connection.isQuiet;
const outbox = new Outbox((frame) => connection.send(frame), {
  keep: (item) => host.tell("keep", { item }),
  forget: (clientId) => host.tell("done", { client_id: clientId }),
  changed: (item, how) => keepEnd(() => { tail.outgoing(item, how, isFine()); if (item.frame.type === "message.send") retireChips(); showFoot(); }),
});
const uploads = new Uploads({
  token: () => self.token, id: newId, largest: setup.largest_file, types: setup.file_types,
  changed: (item) => keepEnd(() => tail.uploading(item, isFine())),
  gone: (clientId) => tail.landed(clientId),
});
fetchFilesWith(() => self.token);
const composer = new Composer({
  longest: setup.longest_text, types: setup.file_types, send: post,
  attach: (files) => { uploads.add(files); retireChips(); toEnd(); },
  typing: (on) => { connection.send({ type: "typing.set", on }); },
  draft: (text) => host.tell("draft", { text }),
});

// -- from the server -----------------------------------------------------------------------------------------------

/** @param {Frame} frame */
function heard(frame) {
  switch (frame.type) {
    case "hello": portion = 0; seenSent = 0; outbox.reconnected(); return;
    case "message": entry(frame); return;
    case "delta": tail.delta(frame); return;
    case "state": accept(/** @type {any} */ (frame)); return;
    case "ack": if (frame.at) clockAhead = Date.now() - Date.parse(frame.at); outbox.confirm(frame.client_id); return;
    case "typing":
      if (frame.who === "agent") tail.typing(frame.name, frame.on && state.owner === "agent");
      else if (frame.who === "ai" && frame.on) tail.thinking(true);
      return;
    case "error": refused(frame); return;
  }
}

/** @param {Frame} frame */
function refused(frame) {
  if (frame.client_id) { outbox.refuse(frame); return; }
  if (!["not_signed_in", "not_allowed", "hello_late", "retry_later"].includes(frame.code)) console.warn(`chat: ${frame.code}`);
}

/** @param {Frame} frame */
function entry(frame) {
  const outcome = log.apply(frame);
  if (outcome === "hole") {
    if (Date.now() - resumeAsked > 1000) { resumeAsked = Date.now(); connection.resume(); }
    return;
  }
  uploads.landed(frame.client_id);
  if (outcome === "old") { tail.landed(frame.client_id); outbox.confirm(frame.client_id); return; }
  portion += 1;
  outbox.confirm(frame.client_id);
  tail.entered(frame);
  if (frame.kind !== "event" && frame.sender === "visitor") retireChips();
  if (frame.kind === "text" && frame.sender === "visitor" && settled) tail.expect(frame.text);
  if (frame.seq > state.seen.visitor && isSpoken(frame)) spoken(frame);
  if (frame.target) changed(frame);
  if (OWN_DEEDS.has(frame.event) && settled) toEnd(); // the answer to what the visitor just did is not left out of sight
}

let settled = false; // whether the history was told, and what comes now is news
/** Who speaks now. The server tells it after the entries that led there. @param {State} next */
function accept(next) {
  state = { ...next, seen: { visitor: Math.max(next.seen.visitor, seenSent), team: next.seen.team } };
  if (portion >= MOST_ENTRIES) connection.resume();
  else settled = true;
  portion = 0;
  if (state.owner !== "ai" && state.owner !== "none") log.retireOffers();
  tail.speaks(state.owner, state.epoch);
  tick();
  log.setSeen(state.seen.team, state.agent?.name ?? "");
  if (start.childElementCount === 0) greet();
  showAll();
  markSeen();
}

// -- what is new to the visitor ------------------------------------------------------------------------------------

/** @param {Frame} frame */
function spoken(frame) {
  const name = frame.sender === "agent" ? frame.name : business;
  if (settled) say(`${name}: ${frame.text}`);
  unread.push(frame);
  markSeen();
}

/** What was taken back is no news, and is not read out; what was put right is, once more. @param {Frame} frame */
function changed({ event, target, sender, name, text }) {
  find("[data-say]").replaceChildren();
  if (event !== "edited") unread = unread.filter((one) => one.seq !== target);
  if (settled && sender === "agent" && log.shown.has(target)) say(event === "edited" ? t("said_edited", { name, text }) : t("said_deleted", { name }));
  markSeen();
}

function markSeen() {
  const last = log.last;
  if (self.open && !self.away) {
    if (settled && last > Math.max(seenSent, state.seen.visitor) && connection.send({ type: "seen.set", seq: last })) seenSent = last;
    if (settled) unread = [];
  }
  if (!settled) return;
  unread = unread.filter((one) => one.seq > state.seen.visitor);
  const newest = unread[unread.length - 1];
  if (!newest) { host.tell("unread", { count: 0 }); return; }
  const person = newest.sender === "agent", name = person ? newest.name : business;
  const text = newest.text.replace(/\[\d+\]|\*\*|`/g, "").replace(/\s+/g, " ").slice(0, PREVIEW_CHARACTERS);
  host.tell("unread", { count: unread.length, person, name, initials: person ? initialsOf(name) : [...business][0], text });
}

/** One announcement a message. @param {string} words */
function say(words) {
  const line = el("p", {}, words);
  find("[data-say]").append(line);
  setTimeout(() => line.remove(), 8000);
}

function greet() {
  const greeting = machineBubble({ type: "message", text: setup.greeting || t("greeting"), at: "" }, business, "div");
  const began = log.last > 0 || outbox.has("message.send"), chips = began ? [] : setup.suggestions.map((/** @type {string} */ text) => el("li", {}, el("button", { type: "button", class: "chip", dir: "auto", onclick: () => { post(text); composer.focus(); } }, text)));
  start.replaceChildren(greeting, ...(chips.length ? [el("ul", { class: "w-chips", role: "list" }, ...chips)] : []));
}

/** The suggestions are for the first word. */
function retireChips() {
  start.querySelector(".w-chips")?.remove();
}

// -- what is shown -------------------------------------------------------------------------------------------------

function showAll() {
  head.show(state, !wasOpen || isFine());
  showFoot();
}

function showFoot() {
  const online = isFine(), name = state.agent?.name ?? "";
  const withPeople = state.owner === "queue" || state.owner === "agent", asked = outbox.has("human.request");
  human.hidden = withPeople;
  human.setAttribute("aria-disabled", String(asked));
  find("[data-human-words]").textContent = asked ? t("asking") : t("talk_to_human");
  const invitations = { agent: t("write_to", { name }), queue: t("add_anything"), none: t("ask_new"), ai: log.form?.isConnected ? t("ask_else") : t("ask_anything") };
  composer.offerFiles(withPeople);
  composer.invite(!online && wasOpen ? t("keep_writing") : invitations[state.owner]);
  const by = { agent: t("by_person", { name }), queue: t("by_queue"), none: t("by_ai"), ai: t("by_ai") };
  find("[data-by]").textContent = by[state.owner];
}

function showLink() {
  if (link.state === "open") { wasOpen = true; void uploads.flush(); }
  else tail.typing("", false); // nobody is known to type over a dead line
  if (link.state === "refused" && link.code === "not_signed_in") host.tell("renew");
  showLine();
}

let wasFine = true;
function showLine() {
  wasFine = isFine();
  for (const item of outbox.items.values()) if (!item.failed) tail.outgoing(item, "waiting", wasFine);
  tick();
  showAll();
}

/** Once a second: the countdown of the banner and the clock of the wait. */
function tick() {
  if (wasFine !== isFine()) { showLine(); return; } // it was expected back by now
  const down = !wasFine && (link.state === "waiting" || (link.state === "connecting" && !banner.hidden));
  banner.hidden = !down;
  if (down) {
    const seconds = Math.ceil(((link.until ?? 0) - Date.now()) / 1000);
    find("[data-banner-words]").textContent = t("no_connection");
    find("[data-banner-time]").textContent = link.state === "connecting" || seconds <= 0 ? t("trying_now") : t("trying_in", { time: span(seconds) });
  }
  if (state.owner !== "queue") return;
  const since = state.waiting_since ? Date.parse(state.waiting_since) : Date.now();
  tail.wait.update(Math.max(0, (Date.now() - clockAhead - since) / 1000), state.promise?.within_seconds ?? null);
}

const isAtEnd = () => body.scrollHeight - body.scrollTop - body.clientHeight < 56;
const toEnd = () => { body.scrollTop = body.scrollHeight; below.hidden = true; stuck = true; };

/** Change the log; stay at its end if the visitor was there, else say that there is more. @param {() => void} change */
function keepEnd(change) {
  const stay = stuck, before = log.last;
  change();
  if (stay || stuck) toEnd();
  else if (log.last > before) below.hidden = false;
}

// -- from the host page --------------------------------------------------------------------------------------------

/** @param {import("./host.js").Note} note */
function told(note) {
  switch (note.type) {
    case "init": begin(note); return;
    case "token": signedIn(note.token); return;
    case "open":
      self.open = note.open;
      if (note.open) connection.wake();
      if (note.open) { toEnd(); markSeen(); if (note.focus) takeFocus(); }
      else composer.stopTyping();
      return;
    case "away": self.away = note.away; connection.setVisible(!self.away); sendPage(); markSeen(); return;
    case "page": self.page = { url: note.url, title: note.title }; sendPage(); return;
    case "full": fill(note.full); return;
    case "adopt": outbox.restore(note.items); outbox.flush(); return;
    case "draft": composer.show(note.text); return;
  }
}

/** @param {import("./host.js").Note} note */
function begin(note) {
  Object.assign(self, { page: note.page, open: note.open, away: note.away, language: note.language });
  if (["light", "dark"].includes(note.theme)) document.documentElement.dataset.theme = note.theme;
  fill(note.full);
  connection.visible = !self.away;
  connection.polls = Boolean(note.polls); // this network let nothing else through a moment ago
  outbox.restore(note.outbox ?? []);
  if (note.draft && !composer.field.value) composer.write(note.draft);
  if (note.focus) takeFocus();
}

/** Into the field; but on touch that would raise the keyboard over the log. */
function takeFocus() {
  if (matchMedia("(pointer: coarse)").matches) body.focus({ preventScroll: true });
  else composer.focus();
}

/** @param {string} token */
function signedIn(token) {
  if (token === self.token) return;
  if (self.token) { log.reset(); tail.reset(); forgetFiles(); settled = false; } // another visitor's log begins
  self.token = token;
  connection.drop();
  connection.start();
}

function sendPage() {
  if (self.page) connection.send({ type: "page.view", ...self.page, ...(self.away ? { away: true } : {}) });
}

/** @param {boolean} full whether the frame covers a phone's screen */
function fill(full) {
  self.full = full;
  document.documentElement.classList.toggle("is-full", full);
}

/** Closed from now on, not once the page has said so: what comes in between was not seen. */
function close() {
  self.open = false;
  host.tell("close");
}

/** On a phone nothing behind the frame can be seen, so the focus does not go there. @param {KeyboardEvent} event */
function keepFocus(event) {
  const stops = [...document.querySelectorAll("a[href], button, input, textarea, [tabindex='0']")].filter((node) => node instanceof HTMLElement && node.offsetParent && !node.matches(":disabled"));
  const first = /** @type {HTMLElement} */ (stops[0]), last = /** @type {HTMLElement} */ (stops[stops.length - 1]);
  const [from, to] = event.shiftKey ? [first, last] : [last, first];
  if (document.activeElement === from) { event.preventDefault(); to.focus(); }
}

human.addEventListener("click", askHuman);
below.addEventListener("click", toEnd);
find("[data-try]").addEventListener("click", () => connection.tryNow());
find("[data-close]").addEventListener("click", close);
body.addEventListener("scroll", () => { stuck = isAtEnd(); if (stuck) below.hidden = true; }, { passive: true });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) close();
  else if (event.key === "Tab" && self.full) keepFocus(event);
});
const steady = new ResizeObserver(() => { if (stuck) toEnd(); });
for (const node of [body, ...body.children]) steady.observe(node);
setInterval(tick, 1000);
showFoot();
const host = new Host(told);
