// @ts-check
// setup.js: the checklist keeps itself true while it is open, answers a try, copies the line.

const EVERY_MS = 4000;

/** Lengths come as data-; the policy allows no style attribute. @param {ParentNode} part */
function paint(part) {
  for (const bar of /** @type {NodeListOf<HTMLElement>} */ (part.querySelectorAll("[data-p]"))) bar.style.setProperty("--p", `${bar.dataset.p}%`);
  for (const bar of /** @type {NodeListOf<HTMLElement>} */ (part.querySelectorAll("[data-share]"))) {
    bar.style.setProperty("--p", `${Math.round(100 * Number(bar.dataset.share))}%`);
    bar.style.setProperty("--tick", `${Math.round(100 * Number(bar.dataset.tick))}%`);
  }
}
paint(document);

/** @param {string} url @returns {Promise<DocumentFragment | null>} */
async function fetchPart(url) {
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (!answer.ok) return null;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const part = document.createDocumentFragment();
  part.append(...page.body.childNodes);
  paint(part);
  return part;
}

const steps = /** @type {HTMLElement | null} */ (document.querySelector("[data-live]"));
let last = "";
/** Swap only what changed: an open row stays open, the focus stays where it is. */
async function refresh() {
  if (!steps || document.hidden) return;
  let part = null;
  try { part = await fetchPart(steps.dataset.live ?? ""); } catch { return; }
  const text = part?.textContent ?? "";
  if (!part || text === last) return;
  last = text;
  const open = new Map([...steps.querySelectorAll("details")].map((row) => [row.dataset.step, row.open]));
  const focused = /** @type {HTMLElement | null} */ (document.activeElement?.closest("[data-step]") ?? null)?.dataset.step;
  for (const row of part.querySelectorAll("details")) row.open = open.get(row.dataset.step) ?? row.open;
  steps.replaceChildren(part);
  if (focused) /** @type {HTMLElement | null} */ (steps.querySelector(`[data-step="${focused}"] summary`))?.focus({ preventScroll: true });
}
last = steps?.textContent ?? "";
setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);

const form = /** @type {HTMLFormElement | null} */ (document.querySelector("[data-ask]"));
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const place = /** @type {HTMLElement} */ (form.querySelector("[data-answer]")), button = form.querySelector("button");
  button?.setAttribute("aria-busy", "true");
  try {
    const asked = String(new FormData(form).get("ask") ?? "");
    const part = await fetchPart(`${form.dataset.ask}&${new URLSearchParams({ ask: asked })}`);
    if (part) place.replaceChildren(part);
    else place.textContent = "Your session has ended. Reload the page to sign in again.";
  } catch {
    place.textContent = "No connection. Your question is still in the field.";
  }
  button?.removeAttribute("aria-busy");
});

document.addEventListener("click", async (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("[data-copy]");
  const line = button instanceof HTMLElement ? document.getElementById(button.dataset.copy ?? "") : null;
  const words = button?.querySelector("span");
  if (!line || !words) return;
  try {
    await navigator.clipboard.writeText(line.textContent ?? "");
    words.textContent = "Copied";
  } catch {
    getSelection()?.selectAllChildren(line); // no permission: selected, so that one key copies it
    words.textContent = "Selected";
  }
  setTimeout(() => { words.textContent = "Copy"; }, 2500);
});
