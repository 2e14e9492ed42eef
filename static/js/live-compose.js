// @ts-check
// live-compose.js: the field an agent writes in. Words are kept per conversation through reloads, races and lost
// connections; a note and a reply cannot be mistaken for each other.

import { draftKey, keepDraft, readDraft } from "./live-outbox.js";
import { find, opened, openedId } from "./live-page.js";

const LONGEST = 4000, WARN_FROM = 3600;
const TYPING_EVERY_MS = 3000, TYPING_ENDS_MS = 4000;

/** @typedef {{send: (text: string, note: boolean) => Promise<boolean>, typing: (on: boolean) => void}} Actions */

/** @type {Actions} */
let actions;
let typedAt = 0;
/** @type {number | undefined} */
let quiet;

export const field = () => /** @type {HTMLTextAreaElement | null} */ (find("[data-compose-form] [data-text]"));
const form = () => /** @type {HTMLFormElement | null} */ (find("[data-compose-form]"));

export function isNote() { return form()?.classList.contains("is-note") ?? false; }

/** @param {Actions} given */
export function bindComposer(given) {
  actions = given;
  const pane = /** @type {HTMLElement} */ (find("[data-convo]"));
  pane.addEventListener("input", (event) => { if (event.target === field()) typed(); });
  pane.addEventListener("focusout", (event) => { if (event.target === field()) stopTyping(); });
  pane.addEventListener("keydown", (event) => {
    if (event.target !== field() || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form()?.requestSubmit();
  });
  pane.addEventListener("submit", (event) => {
    if (event.target !== form()) return;
    event.preventDefault();
    void submit();
  });
  pane.addEventListener("click", (event) => {
    const mode = /** @type {HTMLElement} */ (event.target).closest?.("[data-write]");
    if (mode) writeAs(/** @type {HTMLElement} */ (mode).dataset.write === "note");
  });
  // The agent writes in another tab; this one goes along.
  addEventListener("storage", ({ key, newValue }) => {
    const text = field();
    if (!text || key !== draftKey(openedId())) return;
    text.value = newValue ?? "";
    showLength();
  });
}

/** A conversation was opened, or its composer changed its purpose: bring back what was being written. */
export function restoreDraft() {
  const text = field();
  if (text && !text.value) text.value = readDraft(openedId());
  showLength();
}

/** @param {boolean} note */
export function writeAs(note) {
  const box = form(), text = field();
  if (!box || !text || !box.querySelector("[data-write]")) { text?.focus(); return; }
  box.classList.toggle("is-note", note);
  for (const one of /** @type {NodeListOf<HTMLElement>} */ (box.querySelectorAll("[data-write]"))) {
    one.setAttribute("aria-pressed", String((one.dataset.write === "note") === note));
  }
  text.placeholder = (note ? text.dataset.placeholderNote : text.dataset.placeholderReply) ?? "";
  text.setAttribute("aria-label", text.placeholder);
  const words = find("[data-send-words]", box), send = find("[data-send]", box);
  const claims = opened()?.dataset.mode === "claim";
  if (words) words.textContent = note ? "Keep note" : claims ? "Claim and send" : "Send";
  send?.classList.toggle("btn-primary", note || !claims);
  if (note) stopTyping();
  text.focus();
}

async function submit() {
  const text = field(), words = text?.value.trim() ?? "", id = openedId(), note = isNote();
  if (!text || !words) { text?.focus(); return; }
  stopTyping();
  const button = find("[data-send]", /** @type {Element} */ (form()));
  button?.setAttribute("aria-busy", "true");
  try {
    if (!(await actions.send(words, note))) return;
  } finally { button?.removeAttribute("aria-busy"); }
  keepDraft(id, "");
  const now = field();
  if (now && openedId() === id) { now.value = ""; showLength(); now.focus(); }
}

/** @param {string} words shown above the field; empty hides it */
export function problem(words) {
  const line = /** @type {HTMLElement | null} */ (find("[data-problem]"));
  if (!line) return;
  line.hidden = !words;
  line.textContent = words;
}

function typed() {
  const text = field();
  if (!text) return;
  problem("");
  keepDraft(openedId(), text.value);
  showLength();
  if (isNote() || opened()?.dataset.mode !== "mine") return;
  if (Date.now() - typedAt > TYPING_EVERY_MS) { typedAt = Date.now(); actions.typing(true); }
  clearTimeout(quiet);
  quiet = setTimeout(stopTyping, TYPING_ENDS_MS);
}

function stopTyping() {
  clearTimeout(quiet);
  if (typedAt) { typedAt = 0; actions.typing(false); }
}

function showLength() {
  const note = /** @type {HTMLElement | null} */ (find("[data-length]")), used = field()?.value.length ?? 0;
  if (!note) return;
  note.hidden = used < WARN_FROM;
  note.textContent = `${LONGEST - used} characters left`;
}
