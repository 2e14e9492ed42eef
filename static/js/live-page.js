// @ts-check
// live-page.js: the parts of the page that every other module needs, and small words to the agent.

/** @template {Element} T @param {string} selector @param {ParentNode} [root] @returns {T | null} */
export function find(selector, root = document) { return /** @type {T | null} */ (root.querySelector(selector)); }

/** @param {string} name @returns {HTMLElement} a fresh copy of a pattern */
export function pattern(name) {
  const template = /** @type {HTMLTemplateElement} */ (find(`template[data-pattern="${name}"]`));
  return /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild);
}

/** @param {Element} root @param {string} selector @param {string} words */
export function write(root, selector, words) {
  const node = root.querySelector(selector);
  if (node) node.textContent = words;
}

/** The open conversation, as the server last described it. @returns {HTMLElement | null} */
export function opened() { return find("[data-convo] > [data-conversation]"); }

/** @returns {string} */
export function openedId() { return opened()?.dataset.conversation ?? ""; }

/** @param {"list" | "convo" | "details"} pane */
export function showPane(pane) {
  document.body.dataset.pane = pane;
  const focus = { list: '[data-row][aria-current="true"]', convo: "[data-scroll]", details: ".side-scroll" }[pane];
  const node = /** @type {HTMLElement | null} */ (find(focus));
  if (node && matchMedia("(max-width: 1119px)").matches) node.focus({ preventScroll: true });
}

/** A confirmation that goes by itself; problems are never said this way. @param {string} words */
export function toast(words) {
  const node = pattern("toast");
  write(node, "[data-words]", words);
  find("[data-toasts]")?.append(node);
  setTimeout(() => node.remove(), 6000);
}

/** For screen readers alone. @param {string} words */
export function say(words) {
  const node = find("[data-say]");
  if (node) node.textContent = words;
}

/** Whether keys go into a field now. @param {EventTarget | null} target */
export function isWriting(target) {
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}

const DOTS = { here: ["live", "On the page"], away: ["live live-away", "Tab in background"], left: ["live live-gone", "Left the page"] };
const HEARD_MS = 60_000;
/** What the socket said of a visitor; the server's own rows agree within a minute. @type {Map<string, {state: keyof typeof DOTS, at: number}>} */
const heard = new Map();

/** @param {string} conversation @param {string} state */
export function hearPresence(conversation, state) {
  if (state in DOTS) heard.set(conversation, { state: /** @type {keyof typeof DOTS} */ (state), at: Date.now() });
  showPresence(document);
}

/** @param {ParentNode} root */
export function showPresence(root) {
  for (const [conversation, { state, at }] of heard) {
    if (Date.now() - at > HEARD_MS) { heard.delete(conversation); continue; }
    const dots = root.querySelectorAll(`a.q[data-row="${conversation}"] [data-dot], [data-conversation="${conversation}"] .convo-head [data-dot]`);
    for (const dot of /** @type {NodeListOf<HTMLElement>} */ (dots)) {
      [dot.className, dot.title] = DOTS[state];
      write(dot, ".sr", dot.title);
    }
    const words = root.querySelector(`[data-conversation="${conversation}"] [data-presence-words]`);
    if (words) words.textContent = { here: "On", away: "In another tab, left open on", left: "Left" }[state];
  }
}
