// @ts-check
// live-edit.js: an agent puts own words right in their place, or takes them back. The log is the server's: what is
// shown afterwards is what it says. Half-edited words outlive a reload and another conversation.

import { field, problem as tell } from "./live-compose.js";
import { post, Refused } from "./live-http.js";
import { keepDraft, readDraft, uuid } from "./live-outbox.js";
import { find, opened, openedId, pattern, say, toast, write } from "./live-page.js";

/** @typedef {{refreshQueue: () => void, refreshOpened: () => void}} Page */

const NOBODY = "No connection. Nothing was changed; try again.";
/** @type {Page} */
let page;
/** What is being edited; `id` goes with these words, however often they are sent.
 * @type {{conversation: string, seq: string, node: HTMLElement, sent: string, id: string} | null} */
let editing = null;

const lineOf = (/** @type {string} */ seq) => /** @type {HTMLElement | null} */ (find(`[data-log] > [data-seq="${seq}"]:not(.event)`));
const box = () => /** @type {HTMLTextAreaElement} */ (find("[data-edit-text]", editing?.node));
const draftOf = (/** @type {string} */ seq) => `${openedId()}#${seq}`;
const address = (/** @type {string} */ seq, /** @type {string} */ deed) => `/live/c/${openedId()}/message/${seq}/${deed}/`;

/** @param {string} seq */
export function beginEdit(seq) {
  const line = lineOf(seq);
  if (line?.dataset.raw === undefined) return;
  for (const menu of document.querySelectorAll("details[data-menu][open]")) menu.removeAttribute("open");
  endEdit();
  const node = pattern("edit");
  editing = { conversation: openedId(), seq, node, sent: "", id: "" };
  const isNote = line.classList.contains("note");
  find("form", node)?.classList.toggle("is-note", isNote);
  write(node, "[data-edit-hint]", isNote ? "Only the team sees this." : `${opened()?.dataset.name ?? "The visitor"} sees that it was edited.`);
  box().value = readDraft(draftOf(seq)) || line.dataset.raw;
  settleEdit();
  box().focus();
  box().setSelectionRange(box().value.length, box().value.length);
  node.scrollIntoView({ block: "nearest" });
}

/** After the log was patched: the field stands in the place of what it edits, if that is still there. */
export function settleEdit() {
  if (!editing) return;
  const line = editing.conversation === openedId() ? lineOf(editing.seq) : null;
  if (!line) { editing = null; return; }
  if (line.classList.contains("is-gone")) {
    const words = box().value, reply = field();
    endEdit(true);
    if (reply && !reply.value) { reply.value = words; keepDraft(openedId(), words); }
    tell("This was deleted meanwhile. Your words are kept here.");
    return;
  }
  line.classList.add("is-editing");
  if (line.nextElementSibling === editing.node) return;
  const focused = editing.node.contains(document.activeElement);
  line.after(editing.node);
  if (focused) box().focus();
}

/** @param {boolean} [dropWords] */
function endEdit(dropWords = false) {
  if (!editing) return;
  const { seq, node } = editing;
  if (dropWords) keepDraft(draftOf(seq), "");
  editing = null;
  node.remove();
  const line = lineOf(seq);
  line?.classList.remove("is-editing");
  const back = line?.querySelector("summary") ?? field();
  /** @type {HTMLElement | null} */ (back)?.focus({ preventScroll: true });
}

/** @param {string} words shown below the field; empty hides it */
function problem(words) {
  const line = /** @type {HTMLElement | null} */ (find("[data-edit-problem]", editing?.node));
  if (!line) return;
  line.hidden = !words;
  line.textContent = words;
}

async function save() {
  if (!editing) return;
  const { seq, node } = editing, words = box().value.trim();
  if (!words) { problem("Write something, or delete it instead."); return; }
  if (words === lineOf(seq)?.dataset.raw) { endEdit(true); return; }
  if (editing.sent !== words) { editing.sent = words; editing.id = uuid(); }
  const button = find("[data-edit-save]", node);
  button?.setAttribute("aria-busy", "true");
  try {
    await post(address(seq, "edit"), { text: words, client_id: editing.id });
  } catch (error) {
    if (editing?.node === node) problem(error instanceof Refused ? error.message : NOBODY);
    return;
  } finally { button?.removeAttribute("aria-busy"); }
  if (editing?.node === node) endEdit(true);
  say("Edited.");
  page.refreshOpened();
  page.refreshQueue();
}

/** Ask first: it cannot be undone. @param {HTMLElement} button */
export function askDelete(button) {
  const seq = button.dataset.delete ?? "", what = button.dataset.what ?? "message", line = lineOf(seq);
  const dialog = /** @type {HTMLDialogElement} */ (find("[data-delete-dialog]"));
  for (const menu of document.querySelectorAll("details[data-menu][open]")) menu.removeAttribute("open");
  dialog.dataset.seq = seq;
  write(dialog, "[data-delete-title]", `Delete this ${what}?`);
  write(dialog, "[data-delete-words]", line?.querySelector(".body, .note-text")?.textContent?.trim() ?? "");
  write(dialog, "[data-delete-lost]", what === "note" ? "The words are gone for the whole team. That there was a note stays." : `The words are gone for ${opened()?.dataset.name ?? "the visitor"} and the team. That there was a message stays.`);
  find("[data-delete-problem]", dialog)?.toggleAttribute("hidden", true);
  dialog.showModal();
}

/** @param {HTMLDialogElement} dialog */
async function remove(dialog) {
  const seq = dialog.dataset.seq ?? "", go = find("[data-delete-go]", dialog);
  const line = /** @type {HTMLElement} */ (find("[data-delete-problem]", dialog));
  go?.setAttribute("aria-busy", "true");
  try {
    await post(address(seq, "delete"));
  } catch (error) {
    line.hidden = false;
    line.textContent = error instanceof Refused ? error.message : NOBODY;
    return;
  } finally { go?.removeAttribute("aria-busy"); }
  if (editing?.seq === seq) endEdit(true);
  keepDraft(draftOf(seq), "");
  dialog.close();
  toast("Deleted.");
  page.refreshOpened();
  page.refreshQueue();
  /** @type {HTMLElement | null} */ (field() ?? find("[data-scroll]"))?.focus({ preventScroll: true });
}

/** The newest own words that can still be edited. */
function editLast() {
  const last = [...document.querySelectorAll("[data-log] [data-edit]")].pop();
  if (last instanceof HTMLElement) beginEdit(last.dataset.edit ?? "");
  return Boolean(last);
}

/** @param {Page} given */
export function bindEdit(given) {
  page = given;
  const pane = /** @type {HTMLElement} */ (find("[data-convo]")), dialog = /** @type {HTMLDialogElement} */ (find("[data-delete-dialog]"));
  pane.addEventListener("click", (event) => { if (/** @type {HTMLElement} */ (event.target).closest?.("[data-edit-cancel]")) endEdit(true); });
  pane.addEventListener("submit", (event) => {
    if (!/** @type {HTMLElement} */ (event.target).matches("[data-edit-form]")) return;
    event.preventDefault();
    void save();
  });
  pane.addEventListener("input", ({ target }) => {
    if (!editing || target !== box()) return;
    problem("");
    keepDraft(draftOf(editing.seq), box().value);
  });
  pane.addEventListener("keydown", (event) => {
    const empty = event.target === field() && !field()?.value;
    if (empty && event.key === "ArrowUp" && !event.shiftKey && editLast()) { event.preventDefault(); return; }
    if (!editing || event.target !== box() || event.isComposing) return;
    if (event.key === "Escape") { event.preventDefault(); endEdit(true); }
    else if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); void save(); }
  });
  dialog.addEventListener("close", () => write(dialog, "[data-delete-words]", "")); // deleted is gone from here, too
  find("[data-delete-form]", dialog)?.addEventListener("submit", (event) => { event.preventDefault(); void remove(dialog); });
}
