// @ts-check
// live-keys.js: single keys of the dashboard. They work outside fields and dialogs only, and can be turned off.

import { field, writeAs } from "./live-compose.js";
import { find, isWriting, opened, showPane } from "./live-page.js";

const KEY = "live.keys";

/** @param {(act: string) => void} act */
export function bindKeys(act) {
  const dialog = /** @type {HTMLDialogElement} */ (find("[data-keys-dialog]"));
  const on = /** @type {HTMLInputElement} */ (find("[data-keys-on]"));
  try { on.checked = localStorage.getItem(KEY) !== "off"; } catch { /* on, then */ }
  on.addEventListener("change", () => { try { localStorage.setItem(KEY, on.checked ? "on" : "off"); } catch { /* this visit */ } });
  find("[data-show-keys]")?.addEventListener("click", () => dialog.showModal());
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || find("dialog[open]")) return;
    if (event.key === "Escape") { back(event.target); return; }
    if (isWriting(event.target) || !on.checked) return;
    /** @type {Record<string, () => void>} */
    const keys = {
      j: () => step(1), k: () => step(-1), c: () => act("claim"), e: () => act("resolve-ask"), b: () => act("hand-back"),
      r: () => { if (field()) { showPane("convo"); if (opened()?.dataset.mode === "other") field()?.focus(); else writeAs(false); } },
      n: () => { if (field()) { showPane("convo"); writeAs(true); } },
      "/": () => { showPane("list"); /** @type {HTMLElement | null} */ (find("[data-search] input"))?.focus(); },
      "?": () => dialog.showModal(),
    };
    const run = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!run) return;
    event.preventDefault();
    run();
  });
}

/** @param {number} by */
function step(by) {
  const rows = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-queue-body] [data-row]")]);
  const at = rows.findIndex((row) => row === document.activeElement);
  const from = at >= 0 ? at : rows.findIndex((row) => row.getAttribute("aria-current") === "true");
  const row = rows[Math.min(rows.length - 1, Math.max(0, from < 0 ? (by > 0 ? 0 : rows.length - 1) : from + by))];
  row?.focus();
  row?.scrollIntoView({ block: "nearest" });
}

/** @param {EventTarget | null} target */
function back(target) {
  const menu = find("details[data-menu][open]");
  if (menu) { menu.removeAttribute("open"); /** @type {HTMLElement | null} */ (find("summary", menu))?.focus(); return; }
  if (isWriting(target)) { /** @type {HTMLElement} */ (target).blur(); find("[data-scroll]") instanceof HTMLElement && /** @type {HTMLElement} */ (find("[data-scroll]")).focus({ preventScroll: true }); return; }
  const pane = document.body.dataset.pane;
  if (pane === "details") showPane("convo");
  else if (pane === "convo") {
    showPane("list");
    /** @type {HTMLElement | null} */ (find('[data-row][aria-current="true"]'))?.focus();
  }
}
