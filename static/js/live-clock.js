// @ts-check
// live-clock.js: time against its promise, and times in the reader's own zone. Clocks run on the server's time
// and stop when the connection does: they never guess.

let skewMs = 0;
let running = true;
const TONES = ["ok", "soon", "over"];

/** @param {string | undefined} serverNow */
export function setServerTime(serverNow) {
  if (serverNow) skewMs = Date.parse(serverNow) - Date.now();
}

/** @param {boolean} on */
export function runClocks(on) {
  running = on;
  if (on) tick(document);
}

/** @param {number} seconds */
export function span(seconds) {
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  const hours = Math.floor(seconds / 3600), minutes = Math.floor((seconds % 3600) / 60);
  return hours < 24 ? `${hours} h ${String(minutes).padStart(2, "0")}` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** @param {ParentNode} root */
export function tick(root) {
  if (!running) return;
  const now = Date.now() + skewMs;
  for (const clock of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-clock]"))) show(clock, now);
}

/** @param {HTMLElement} clock @param {number} now */
function show(clock, now) {
  const target = Number(clock.dataset.target), spent = Math.max(0, Math.floor((now - Date.parse(clock.dataset.since ?? "")) / 1000));
  const share = spent / target, tone = share > 1 ? "over" : share >= 0.75 ? "soon" : "ok";
  const words = clock.querySelector("[data-spent]");
  if (words) words.textContent = span(spent);
  const row = clock.closest(".q"), inHead = clock.matches("[data-bar]");
  const bar = /** @type {HTMLElement | null} */ (inHead ? clock : row?.querySelector("[data-bar]"));
  if (bar) {
    bar.style.setProperty("--p", `${Math.min(100, share * 100)}%`);
    bar.style.setProperty("--t", `${share > 1 ? 100 / share : 0}%`);
    for (const one of TONES) bar.classList.toggle(`due-${one}`, one === tone);
  }
  if (!inHead) {
    clock.classList.toggle("late", tone === "over");
    clock.classList.toggle("warn", tone === "soon");
    clock.classList.toggle("muted", tone === "ok");
    clock.querySelector("[data-late]")?.toggleAttribute("hidden", tone !== "over");
  }
  row?.classList.toggle("q-over", tone === "over");
}

const hm = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
const hms = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/** Write every time of `root` in the reader's zone. @param {ParentNode} root */
export function localTimes(root) {
  const today = new Date(Date.now() + skewMs).toDateString();
  for (const node of /** @type {NodeListOf<HTMLTimeElement>} */ (root.querySelectorAll("time[data-moment]:not([title])"))) {
    const at = new Date(node.dateTime), shape = node.dataset.moment;
    const other = at.toDateString() !== today;
    node.textContent = shape === "hms" ? hms.format(at) : other ? (shape === "day" ? date.format(at) : `${date.format(at)}, ${hm.format(at)}`) : hm.format(at);
    node.title = whole.format(at);
  }
}

/** Draw the score bars: widths may not come in style attributes. @param {ParentNode} root */
export function drawScores(root) {
  for (const node of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-p]"))) {
    node.style.setProperty("--p", node.dataset.p ?? "0%");
    node.style.setProperty("--tick", node.dataset.tick ?? "55%");
  }
}

/** @param {Date} at */
export function clockTime(at) { return hm.format(at); }

setInterval(() => tick(document), 1000);
