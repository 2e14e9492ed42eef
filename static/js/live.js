// @ts-check
// live.js: the agents' dashboard. The socket tells what changed; the page then fetches the authorised partial and
// patches itself. One conversation is open at a time; its address is /live/?c=<id>.

import { bindBell, ring } from "./live-alerts.js";
import { bindAttach } from "./live-attach.js";
import { clockTime, drawScores, localTimes, runClocks, setServerTime, tick } from "./live-clock.js";
import { bindComposer, field, restoreDraft } from "./live-compose.js";
import { act, bindDeeds, claim, deed, nextWaiting, toggleAvailability } from "./live-deeds.js";
import { askDelete, beginEdit, bindEdit, settleEdit } from "./live-edit.js";
import { calmly, partial, Refused } from "./live-http.js";
import { bindKeys } from "./live-keys.js";
import { dropStreamBefore, growing, markStored, resetLog, settleTail, showPending, showTyping, streamed, toNewest } from "./live-log.js";
import { keepDraft, Outbox } from "./live-outbox.js";
import { find, hearPresence, opened, openedId, pattern, say, showPane, showPresence, write } from "./live-page.js";
import { parse, patch, remember } from "./live-patch.js";
import { Desk } from "./live-socket.js";

const queueBody = /** @type {HTMLElement} */ (find("[data-queue-body]"));
const convo = /** @type {HTMLElement} */ (find("[data-convo]"));
const side = /** @type {HTMLElement} */ (find("[data-side]"));
const outbox = new Outbox();
/** Handoffs that were told already. @type {Set<number>} */
const rung = new Set();
let tab = /** @type {HTMLElement | null} */ (find("[data-list]"))?.dataset.tab ?? "now";
let query = /** @type {HTMLElement | null} */ (find("[data-list]"))?.dataset.query ?? "";
let whole = false;
let offlineSince = "";
/** Set while what the server was too busy to show is about to be fetched again. @type {number | undefined} */
let afresh;
/** The conversation that should be open; the page may still be fetching it. */
let wanted = openedId();

/* -- What is shown ------------------------------------------------------------------------------------------------ */

/** @param {ParentNode} root */
function dress(root) {
  localTimes(root);
  drawScores(root);
  showPresence(document);
  tick(root);
}

const refreshQueue = calmly(async () => {
  const asking = new URLSearchParams({ tab, c: wanted });
  if (query) asking.set("q", query);
  const asked = `${tab} ${query}`;
  const fresh = await safely(() => partial(`/live/queue/?${asking}`));
  if (fresh === null || asked !== `${tab} ${query}`) return;
  patch(queueBody, parse(fresh));
  dress(queueBody);
  markOpened();
  showCounts();
}, 120);

const refreshOpened = calmly(async () => { if (wanted) await load(wanted); }, 60);

/** Fetch a conversation and its card. @param {string} id @returns {Promise<boolean>} whether it is shown now */
async function load(id) {
  const fresh = await safely(() => Promise.all([partial(`/live/c/${id}/${whole ? "?whole" : ""}`), partial(`/live/c/${id}/card/`)]));
  if (fresh === null || wanted !== id) return false;
  const [log, card] = fresh, mode = opened()?.dataset.mode, text = field()?.value ?? "", isNew = openedId() !== id;
  const wasWriting = field() !== null && document.activeElement === field();
  growing(() => patch(convo, parse(log)));
  patch(side, parse(card));
  dress(convo);
  dress(side);
  dropStreamBefore(Number(opened()?.dataset.epoch ?? 0));
  settleTail();
  settleEdit();
  if (isNew) began();
  else if (mode && mode !== opened()?.dataset.mode) changedHands(text);
  if (wasWriting && document.activeElement !== field()) {
    field()?.focus();
    field()?.setSelectionRange(text.length, text.length);
  }
  markSeen();
  return true;
}

/** The composer has another purpose now: the words stay. @param {string} text */
function changedHands(text) {
  const box = field();
  if (box && text && !box.value) { box.value = text; keepDraft(openedId(), text); }
  restoreDraft();
}

function showCounts() {
  const list = /** @type {HTMLElement | null} */ (find("[data-list]", queueBody));
  if (!list) return;
  setServerTime(list.dataset.now);
  const waiting = Number(list.dataset.waitingCount ?? 0);
  document.title = `${waiting ? `${waiting} waiting · ` : ""}Live Support · BuiltABot`;
  for (const badge of document.querySelectorAll("[data-waiting]")) {
    badge.textContent = String(waiting);
    badge.toggleAttribute("hidden", waiting === 0);
  }
  for (const [name, count] of Object.entries(JSON.parse(list.dataset.counts ?? "{}"))) {
    const node = find(`[data-count="${name}"]`);
    if (node) node.textContent = String(count);
  }
}

function markOpened() {
  for (const row of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("a.q[data-row]"))) {
    if (row.dataset.row === wanted) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

/** @template T @param {() => Promise<T>} work @returns {Promise<T | null>} null when it failed; the page says so */
async function safely(work) {
  try { return await work(); } catch (error) {
    if (error instanceof Refused) {
      if (error.status === 403) refused(error.code, error.message);
      else if (error.status === 404) closeOpened();
      else if (error.status === 503) afresh ??= setTimeout(() => { afresh = undefined; refreshQueue(); refreshOpened(); }, 2000);
      return null;
    }
    if (desk.ready) desk.now(); // no answer over HTTP: the socket only looks alive
    return null;
  }
}

/* -- Opening ------------------------------------------------------------------------------------------------------ */

/** @param {string} id @param {{focus?: boolean, remember?: boolean}} [how] */
async function open(id, { focus = false, remember: push = true } = {}) {
  const before = wanted;
  if (push && id !== before) history.pushState({ c: id }, "", address(id));
  wanted = id;
  showPane("convo");
  if (id !== before) {
    if (before) desk.send({ type: "leave", conversation: before });
    whole = false;
    convo.replaceChildren();
    side.replaceChildren();
    markOpened();
    setTimeout(() => { if (wanted === id && !convo.firstElementChild) convo.replaceChildren(pattern("skeleton")); }, 300);
    await load(id);
  }
  if (focus && openedId() === id) /** @type {HTMLElement | null} */ (find("[data-scroll]"))?.focus({ preventScroll: true });
}

/** The conversation in the page is new to it: from the first paint, or just opened. */
function began() {
  find(".skeletons", convo)?.remove();
  resetLog();
  toNewest();
  restoreDraft();
  markOpened();
  for (const item of outbox.of(openedId())) showPending(item, resend);
  follow();
  markSeen();
}

function follow() {
  const open = opened();
  if (open) desk.send({ type: "resume", conversation: open.dataset.conversation, seq: Number(open.dataset.last ?? 0) });
}

function closeOpened() {
  wanted = "";
  convo.replaceChildren();
  side.replaceChildren();
  history.replaceState({}, "", address(""));
  showPane("list");
}

/** @param {string} id */
function address(id) {
  const parts = new URLSearchParams();
  if (tab !== "now") parts.set("tab", tab);
  if (query) parts.set("q", query);
  if (id) parts.set("c", id);
  return `/live/${parts.size ? `?${parts}` : ""}`;
}

function markSeen() {
  const open = opened();
  if (!open || document.hidden || open.dataset.mode !== "mine") return;
  desk.send({ type: "seen.set", conversation: open.dataset.conversation, seq: Number(open.dataset.last ?? 0) });
}

/* -- Writing ------------------------------------------------------------------------------------------------------ */

/** @param {string} text @param {boolean} note @returns {Promise<boolean>} whether the words left the field */
async function send(text, note) {
  const id = openedId();
  if (!note && opened()?.dataset.mode === "claim" && !(await claim())) return false;
  const item = outbox.add(id, text, note);
  transmit(item);
  if (id === openedId()) showPending(item, resend);
  return true;
}

/** @param {import("./live-outbox.js").Item} item */
function transmit({ client_id, conversation, text, note }) {
  const item = outbox.get(client_id);
  const left = desk.send({ type: "message.send", conversation, client_id, text, note });
  if (item) { item.sent = left ? Date.now() : 0; outbox.save(); }
}

/** @param {string} clientId */
function resend(clientId) {
  const item = outbox.get(clientId);
  if (!item) return;
  item.problem = "";
  showPending(item, resend);
  transmit(item);
}

function flush() { for (const item of outbox.due(Date.now())) transmit(item); }

/* -- The socket --------------------------------------------------------------------------------------------------- */

/** @param {import("./live-socket.js").Frame} frame */
function fact(frame) {
  const here = frame.conversation === openedId();
  if (frame.type === "ack") {
    outbox.remove(frame.client_id);
    markStored(frame.client_id, frame.seq);
    if (here) refreshOpened();
  } else if (frame.type === "state") {
    tellHandoff(frame);
    refreshQueue();
    if (here) { dropStreamBefore(frame.epoch); refreshOpened(); }
  } else if (frame.type === "presence") {
    hearPresence(frame.conversation, frame.state);
    if (here && frame.page !== opened()?.dataset.page) refreshOpened();
  } else if (frame.type === "message") {
    if (!here) return;
    dropStreamBefore(frame.epoch);
    showTyping({ who: frame.sender, name: "", on: false });
    refreshOpened();
    refreshQueue();
  } else if (frame.type === "delta" && here) streamed(/** @type {any} */ (frame));
  else if (frame.type === "typing" && here && !(frame.who === "agent" && frame.name === document.body.dataset.seatName)) showTyping(/** @type {any} */ (frame));
  else if (frame.type === "error") failed(frame);
}

/** @param {import("./live-socket.js").Frame} frame */
function failed(frame) {
  const item = frame.client_id ? outbox.get(frame.client_id) : undefined;
  if (!item) return;
  if (frame.retryable) { item.sent = Date.now() - 6000; return; } // the next beat sends it again
  item.problem = frame.sentence;
  outbox.save();
  if (item.conversation === openedId()) { showPending(item, resend); refreshOpened(); }
}

/** @param {import("./live-socket.js").Frame} frame */
function tellHandoff({ handoff, conversation, is_test: isTest, owner }) {
  if (!handoff || handoff.state !== "waiting" || owner !== "queue" || isTest || rung.has(handoff.id)) return;
  rung.add(handoff.id);
  say(`${handoff.label}. One more is waiting.`);
  ring({ id: String(handoff.id), label: handoff.label, reason: handoff.reason, conversation, open: () => void open(conversation) });
}

/** @param {number} seconds */
function down(seconds) {
  offlineSince ||= clockTime(new Date());
  runClocks(false);
  const banner = /** @type {HTMLElement} */ (find("[data-offline]"));
  banner.hidden = false;
  const kept = outbox.items.length ? ` ${outbox.items.length === 1 ? "1 message is" : `${outbox.items.length} messages are`} kept and go out first.` : "";
  write(banner, "[data-offline-words]", `No connection since ${offlineSince}. Trying again in ${seconds} s.${kept}`);
}

function up() {
  offlineSince = "";
  /** @type {HTMLElement} */ (find("[data-offline]")).hidden = true;
  runClocks(true);
  for (const item of outbox.items) item.sent = 0;
  follow();
  flush();
  refreshQueue();
  refreshOpened();
}

/** @param {string} code @param {string} sentence */
function refused(code, sentence) {
  const banner = /** @type {HTMLElement} */ (find("[data-offline]"));
  banner.hidden = false;
  runClocks(false);
  write(banner, "[data-offline-words]", code === "not_signed_in" ? "Your session has ended. Reload this page to sign in; your words are kept." : sentence);
}

function beat() {
  const id = openedId();
  if (!desk.send(id ? { type: "resume", conversation: id, seq: Number(opened()?.dataset.last ?? 0) } : { type: "resume" })) return;
  flush();
  refreshQueue();
}

const desk = new Desk({ fact, up, down, refused, beat });

/* -- Hands -------------------------------------------------------------------------------------------------------- */

/** @param {string} to @param {string} words */
function browse(to, words) {
  tab = to;
  query = words;
  for (const one of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".tab[data-tab-to]"))) {
    if (one.dataset.tabTo === to && !words) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
  history.replaceState(history.state, "", address(openedId()));
  refreshQueue();
}

/** @type {[string, (node: HTMLElement, event: Event) => void][]} */
const clicks = [
  ["[data-row]", (node) => void open(node.dataset.row ?? "", { focus: node === document.activeElement })],
  ["[data-tab-to]", (node) => { clearSearch(); browse(node.dataset.tabTo ?? "now", ""); }],
  ["[data-clear-search]", () => { clearSearch(); browse(tab, ""); }],
  ["[data-pane-to]", (node) => showPane(/** @type {any} */ (node.dataset.paneTo))],
  ["[data-act]", (node) => void act(node.dataset.act ?? "")],
  ["[data-edit]", (node) => beginEdit(node.dataset.edit ?? "")],
  ["[data-delete]", (node) => askDelete(node)],
  ["[data-whole]", () => { whole = true; refreshOpened(); }],
  ["[data-to-newest]", () => toNewest()],
  ["[data-post]", (node) => void deed(node.dataset.post ?? "", node.dataset.said ?? "Done.")],
  ["[data-availability]", () => void toggleAvailability()],
  ["[data-reconnect]", () => desk.now()],
  ["[data-next]", () => { if (nextWaiting()) void open(nextWaiting()); }],
];

function clearSearch() {
  const box = /** @type {HTMLInputElement} */ (find("[data-search] input"));
  box.value = "";
}

function bind() {
  document.addEventListener("click", (event) => {
    const from = /** @type {HTMLElement} */ (event.target), mouse = /** @type {MouseEvent} */ (event);
    for (const menu of document.querySelectorAll("details[data-menu][open]")) if (!menu.contains(from)) menu.removeAttribute("open");
    if (mouse.ctrlKey || mouse.metaKey || mouse.shiftKey) return;
    for (const [selector, run] of clicks) {
      const node = /** @type {HTMLElement | null} */ (from.closest(selector));
      if (node) { event.preventDefault(); run(node, event); return; }
    }
    const link = from.closest(".body a[href]:not([download])");
    if (link) { event.preventDefault(); window.open(/** @type {HTMLAnchorElement} */ (link).href, "_blank", "noopener,noreferrer"); }
  });
  const search = /** @type {HTMLFormElement} */ (find("[data-search]"));
  /** @type {number | undefined} */
  let later;
  const look = () => browse(tab, /** @type {HTMLInputElement} */ (search.elements.namedItem("q")).value.trim());
  search.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(later); look(); });
  search.addEventListener("input", () => { clearTimeout(later); later = setTimeout(look, 250); });
  addEventListener("popstate", () => {
    const id = new URLSearchParams(location.search).get("c");
    if (id) void open(id, { remember: false });
    else showPane("list");
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { markSeen(); beat(); } });
}

remember(document);
dress(document);
showCounts();
bind();
bindDeeds({ load, open, send, refreshQueue, refreshOpened });
bindBell(find("[data-ring]"));
bindKeys((name) => void act(name));
bindEdit({ refreshOpened, refreshQueue });
bindAttach({ refreshOpened, refreshQueue });
bindComposer({ send, typing: (on) => desk.send({ type: "typing.set", conversation: openedId(), on }) });
if (wanted) began();
desk.connect();
