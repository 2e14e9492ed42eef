// @ts-check
// live-deeds.js: claim, hand back, release, resolve, availability. Each is a post; the log then tells everybody.

import { field, problem, writeAs } from "./live-compose.js";
import { post, Refused } from "./live-http.js";
import { keepDraft } from "./live-outbox.js";
import { find, opened, openedId, pattern, say, toast, write } from "./live-page.js";

/** @typedef {{load: (id: string) => Promise<boolean>, open: (id: string) => Promise<void>,
 *   send: (text: string, note: boolean) => Promise<boolean>, refreshQueue: () => void, refreshOpened: () => void}} Page */

/** @type {Page} */
let page;

/** @returns {Promise<boolean>} */
export async function claim() {
  try {
    await post(`/live/c/${openedId()}/claim/`);
  } catch (error) {
    if (error instanceof Refused && error.code === "already_taken") { lostRace(error.message); return false; }
    problem(error instanceof Refused ? error.message : "No connection. Your words are kept; try again.");
    return false;
  }
  await page.load(openedId());
  page.refreshQueue();
  return true;
}

/** @returns {string} the first conversation in line that is not open; empty when there is none */
export function nextWaiting() {
  const row = /** @type {HTMLElement | null} */ (find('[data-queue-body] [data-group="waiting"] a[data-row]:not([aria-current])'));
  return row?.dataset.row ?? "";
}

/** @param {string} sentence who took it, and when */
async function lostRace(sentence) {
  const words = field()?.value ?? "";
  await page.load(openedId());
  page.refreshQueue();
  const node = pattern("lost");
  write(node, "[data-lost-words]", sentence);
  if (!words.trim()) { find(".muted", node)?.remove(); find("[data-keep-note]", node)?.remove(); }
  find("[data-keep-note]", node)?.addEventListener("click", () => {
    void page.send(words, true);
    keepDraft(openedId(), "");
    const box = field();
    if (box) box.value = "";
    node.remove();
  });
  if (nextWaiting()) find("[data-next-waiting]", node)?.addEventListener("click", () => void page.open(nextWaiting()));
  else find("[data-next-waiting]", node)?.remove();
  find("[data-lost]")?.remove();
  find("[data-convo] [data-key^='form-']")?.before(node);
}

/** @param {string} name */
export async function act(name) {
  const open = opened(), mode = open?.dataset.mode, button = find(`[data-act="${name}"]`);
  if (!open || !button) return;
  for (const menu of document.querySelectorAll("details[data-menu][open]")) menu.removeAttribute("open");
  if (name === "claim") {
    if (mode !== "claim") return;
    button.setAttribute("aria-busy", "true");
    writeAs(false); // at once: who claims begins to type, and their first letters are no shortcuts
    if (await claim()) say("Claimed. Your words reach the visitor.");
    button.removeAttribute("aria-busy");
  } else if (name === "resolve-ask") askResolve();
  else if (name === "hand-back" || name === "release") {
    await deed(`/live/c/${open.dataset.conversation}/${name}/`, name === "release" ? "Back in the queue." : "The AI answers again.");
  }
}

/** @param {string} url @param {string} said @param {Record<string, string>} [fields] */
export async function deed(url, said, fields) {
  try {
    await post(url, fields);
  } catch (error) {
    const words = error instanceof Refused ? error.message : "No connection. Nothing was changed.";
    problem(words);
    return words;
  }
  toast(said);
  page.refreshQueue();
  page.refreshOpened();
  return "";
}

function askResolve() {
  const dialog = /** @type {HTMLDialogElement} */ (find("[data-resolve-dialog]")), name = opened()?.dataset.name ?? "";
  write(dialog, "[data-resolve-title]", `Resolve ${name}`);
  find("[data-resolve-problem]", dialog)?.toggleAttribute("hidden", true);
  dialog.showModal();
  /** @type {HTMLElement | null} */ (find("[data-resolve-go]", dialog))?.focus();
}

/** @param {Page} given */
export function bindDeeds(given) {
  page = given;
  const dialog = /** @type {HTMLDialogElement} */ (find("[data-resolve-dialog]"));
  find("[data-resolve-form]", dialog)?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const note = /** @type {HTMLTextAreaElement} */ (find("[name=note]", dialog));
    const failed = await deed(`/live/c/${openedId()}/resolve/`, "Resolved.", { note: note.value });
    const line = /** @type {HTMLElement} */ (find("[data-resolve-problem]", dialog));
    line.hidden = !failed;
    line.textContent = failed;
    if (!failed) { note.value = ""; dialog.close(); }
  });
  for (const button of document.querySelectorAll("dialog [data-close]")) {
    button.addEventListener("click", () => button.closest("dialog")?.close());
  }
}

export async function toggleAvailability() {
  const button = /** @type {HTMLElement} */ (find("[data-availability]"));
  const state = button.dataset.state === "online" ? "away" : "online";
  try { await post("/live/availability/", { state }); } catch { say("That did not reach us. Try again."); return; }
  button.dataset.state = state;
  button.setAttribute("aria-pressed", String(state === "online"));
  find("[data-availability-dot]", button)?.classList.toggle("live-gone", state === "away");
  write(button, "[data-availability-words]", state === "online" ? "Online" : "Away");
}

