// @ts-check
// live-patch.js: a partial from the server becomes the page, without losing focus, scroll or half-written words.
// Containers carry data-keys, their children data-key; children that did not change are left alone, and those
// with data-keep are never replaced while they exist.

/** The server's words of each child that we put in, to tell whether it changed: the page's clocks tick meanwhile.
 * @type {WeakMap<Element, string>} */
const sources = new WeakMap();

/** @param {Element} node */
function written(node) { return new XMLSerializer().serializeToString(node); }

/** Remember what the first paint brought. @param {ParentNode} root */
export function remember(root) {
  for (const node of root.querySelectorAll("[data-key]:not([data-keys])")) sources.set(node, written(node));
}

/** Read a partial. Its scripts do not run, and nothing of it is in the page yet. @param {string} html */
export function parse(html) {
  return new DOMParser().parseFromString(html, "text/html").body;
}

/** Make the keyed children of `target` those of `fresh`. @param {Element} target @param {Element} fresh */
export function patch(target, fresh) {
  /** @type {Map<string, HTMLElement>} */
  const old = new Map();
  for (const child of keyed(target)) old.set(child.dataset.key ?? "", child);
  /** @type {Element | null} */
  let after = null;
  for (const child of keyed(fresh)) {
    const key = child.dataset.key ?? "", source = child.hasAttribute("data-keys") ? "" : written(child);
    const present = old.get(key);
    old.delete(key);
    const node = present ? settle(present, child, source) : adopt(child, source);
    place(target, node, after);
    after = node;
  }
  for (const gone of old.values()) gone.remove();
}

/** @param {HTMLElement} present @param {HTMLElement} child @param {string} source */
function settle(present, child, source) {
  if (child.hasAttribute("data-keys")) {
    copyAttributes(present, child);
    patch(present, child);
    return present;
  }
  if (present.hasAttribute("data-keep") || sources.get(present) === source) return present;
  const focused = present.contains(document.activeElement) ? focusPath(present) : null;
  const node = adopt(child, source);
  present.replaceWith(node);
  if (focused !== null) /** @type {HTMLElement | undefined} */ (focusables(node)[focused])?.focus({ preventScroll: true });
  return node;
}

/** @param {HTMLElement} child @param {string} source */
function adopt(child, source) {
  const node = /** @type {HTMLElement} */ (document.importNode(child, true));
  if (source) sources.set(node, source);
  remember(node);
  return node;
}

/** @param {Element} target @param {Element} node @param {Element | null} after */
function place(target, node, after) {
  let next = after ? after.nextElementSibling : target.firstElementChild;
  // Moving a node takes its focus away: what the page itself put in between is stepped over instead.
  while (next && next !== node && !next.hasAttribute("data-key")) next = next.nextElementSibling;
  if (next !== node) target.insertBefore(node, next);
}

/** @param {Element} from @returns {HTMLElement[]} */
function keyed(from) {
  return /** @type {HTMLElement[]} */ ([...from.children].filter((child) => child.hasAttribute("data-key")));
}

/** @param {Element} root */
function focusables(root) {
  return [...root.querySelectorAll("a[href], button, input, textarea, summary")];
}

/** @param {Element} root */
function focusPath(root) {
  return Math.max(0, focusables(root).indexOf(/** @type {Element} */ (document.activeElement)));
}

/** @param {Element} target @param {Element} fresh */
function copyAttributes(target, fresh) {
  for (const { name, value } of fresh.attributes) if (target.getAttribute(name) !== value) target.setAttribute(name, value);
  for (const { name } of [...target.attributes]) if (!fresh.hasAttribute(name)) target.removeAttribute(name);
}
