// @ts-check
// rehearsal.js: starts the test escalation without leaving the checklist, and shows each hop as it happens.
// The checklist replaces its own markup while it is open: everything is found anew each time.

const LOOK_EVERY_MS = 500;

/** @typedef {{name: string, state: string, shown: string, ms: number | null, late: boolean}} Hop */
/** @typedef {{run: null | {ok: boolean | null, sentence: string, steps: Hop[]}}} Answer */

/** @param {string} selector */
const find = (selector) => /** @type {HTMLElement | null} */ (document.querySelector(`[data-rehearsal] ${selector}`));
const panel = () => /** @type {HTMLElement | null} */ (document.querySelector("[data-rehearsal]"));

/** @param {Answer} answer @returns {boolean} whether it still runs */
function show({ run }) {
  if (!run) return false;
  const running = run.ok === null, sentence = find("[data-run-sentence]"), words = find("[data-rehearse-words]");
  if (sentence) {
    if (sentence.textContent !== run.sentence) sentence.textContent = run.sentence;
    sentence.className = run.ok === false ? "small late" : "small muted";
  }
  if (words) words.textContent = running ? "Running…" : "Run the test escalation again";
  const list = find("[data-run-steps]");
  if (list) list.hidden = false;
  for (const hop of run.steps) {
    const row = find(`[data-hop="${hop.name}"]`), time = row?.querySelector("[data-hop-time]");
    if (!row || !time) continue;
    row.dataset.state = hop.state;
    time.textContent = hop.shown;
    time.className = `num${hop.late || hop.state === "failed" ? " late" : hop.state === "ok" && row.querySelector("small") ? " ok" : ""}`;
  }
  return running;
}

/** @param {string} said */
function trouble(said) {
  const sentence = find("[data-run-sentence]");
  if (sentence) { sentence.textContent = said; sentence.className = "small late"; }
}

let looking = false;
async function follow() {
  if (looking) return;
  looking = true;
  for (let running = true; running;) {
    try {
      const answer = await fetch(panel()?.dataset.rehearsal ?? "", { headers: { Accept: "application/json" } });
      if (!answer.ok) { trouble("Your session has ended. Reload the page to sign in again."); break; }
      running = show(await answer.json());
    } catch {
      trouble("No connection. The test goes on; trying again.");
    }
    if (running) await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
  }
  looking = false;
}

document.addEventListener("submit", async (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!form.matches("[data-rehearse]")) return;
  event.preventDefault();
  const when = find("[data-run-when]");
  if (when) when.hidden = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } });
    const said = await answer.json();
    if (answer.ok) { show(said); follow(); } else trouble(said.sentence);
  } catch {
    trouble("No connection. Nothing was started.");
  }
});
if (panel()?.dataset.running) follow();
