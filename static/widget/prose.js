// @ts-check
// prose.js: text into nodes. The AI's text may be a little markdown; what people write is shown as they wrote it.

import { el } from "./dom.js";
import { t } from "./strings.js";

/** @typedef {{ n: number, title: string, heading?: string, url?: string }} Citation */

const INLINE = /\*\*(.+?)\*\*|`([^`\n]+)`|\[(\d{1,2})\]|!?\[([^\]\n]*)\]\(([^()\s]*)\)/g;
const ADDRESS = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/g;

/** The address, if it is one a link may lead to. @param {string | undefined} url */
function web(url) {
  try {
    const parsed = new URL(url ?? "");
    return ["http:", "https:"].includes(parsed.protocol) && !parsed.username ? parsed.href : null;
  } catch {
    return null;
  }
}

/** @param {string} href @param {Record<string, any>} props @param {...(Node | string)} children */
function link(href, props, ...children) {
  return el("a", { href, target: "_blank", rel: "noopener nofollow ugc", ...props }, ...children);
}

/** @param {number} n @param {Citation | undefined} source */
function mark(n, source) {
  const href = web(source?.url), label = t("source", { n });
  if (!href) return el("span", { class: "cite" }, String(n));
  return link(href, { class: "cite", "aria-label": `${label}: ${nameOf(/** @type {Citation} */ (source))}` }, String(n));
}

/** "Page › Heading". @param {Citation} source */
function nameOf(source) {
  return source.heading && source.heading !== source.title ? `${source.title} › ${source.heading}` : source.title;
}

/** @param {string} line @param {Citation[]} citations @returns {(Node | string)[]} */
function inline(line, citations) {
  const nodes = [];
  let from = 0;
  for (const found of line.matchAll(INLINE)) {
    const [whole, strong, code, n, words, url] = found;
    nodes.push(line.slice(from, found.index));
    from = found.index + whole.length;
    const source = citations.find((one) => one.n === Number(n));
    if (strong) nodes.push(el("strong", {}, ...inline(strong, citations)));
    else if (code) nodes.push(el("code", {}, code));
    else if (n) nodes.push(source || !citations.length ? mark(Number(n), source) : whole);
    // a model's link leads somewhere only if it is a source that the server vouched for
    else nodes.push(citations.some((one) => one.url === url) && web(url) ? link(url, {}, words) : words);
  }
  nodes.push(line.slice(from));
  return nodes;
}

/** Lines of one block. @param {string[]} lines @param {Citation[]} citations */
function paragraph(lines, citations) {
  const nodes = lines.flatMap((line, n) => (n ? [el("br"), ...inline(line, citations)] : inline(line, citations)));
  return el("p", {}, ...nodes);
}

/**
 * An AI text: paragraphs, lists, strong, code, and marks like [1] that lead to their source.
 * @param {string} text @param {Citation[]} citations
 */
export function machineText(text, citations) {
  const whole = document.createDocumentFragment();
  /** @type {{ tag: string, lines: string[] } | null} */
  let block = null;
  const flush = () => {
    if (block?.tag === "p") whole.append(paragraph(block.lines, citations));
    else if (block) whole.append(el(block.tag, {}, ...block.lines.map((line) => el("li", {}, ...inline(line, citations)))));
    block = null;
  };
  for (const line of text.replace(/\r/g, "").split("\n")) {
    const item = /^\s*(?:[-*•]|(\d+)[.)])\s+(.*)$/.exec(line), heading = /^#{1,6}\s+(.*)$/.exec(line);
    const tag = item ? (item[1] ? "ol" : "ul") : "p";
    if (!line.trim() || heading || (block && block.tag !== tag)) flush();
    if (heading) whole.append(el("p", {}, el("strong", {}, heading[1])));
    else if (line.trim()) (block ??= { tag, lines: [] }).lines.push(item ? item[2] : line);
  }
  flush();
  return whole;
}

/** What a person wrote, as they wrote it. @param {string} text @param {boolean} linked turn addresses into links */
export function humanText(text, linked) {
  const whole = document.createDocumentFragment();
  for (const part of text.replace(/\r/g, "").split(/\n\s*\n/)) {
    const nodes = part.split("\n").flatMap((line, n) => [...(n ? [el("br")] : []), ...(linked ? addresses(line) : [line])]);
    whole.append(el("p", {}, ...nodes));
  }
  return whole;
}

/** @param {string} line @returns {(Node | string)[]} */
function addresses(line) {
  const nodes = [];
  let from = 0;
  for (const found of line.matchAll(ADDRESS)) {
    const href = web(found[0]);
    if (!href) continue;
    nodes.push(line.slice(from, found.index), link(href, { dir: "ltr" }, found[0]));
    from = found.index + found[0].length;
  }
  nodes.push(line.slice(from));
  return nodes;
}

/** The list under an answer. @param {Citation[]} citations */
export function sources(citations) {
  const rows = citations.map((one) => {
    const href = web(one.url), number = el("span", { class: "cite", "aria-hidden": "true" }, String(one.n)), name = el("bdi", {}, nameOf(one));
    return el("li", {}, href ? link(href, { class: "src" }, number, name) : el("span", { class: "src" }, number, name));
  });
  return el("ul", { class: "w-src", role: "list", "aria-label": t("sources") }, ...rows);
}
