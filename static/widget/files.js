// @ts-check
// files.js: pictures and PDFs of the log. Their bytes are fetched with the visitor's token in a header and shown from
// memory: an address that holds a token would be kept by histories and logs.

import { el, icon } from "./dom.js";
import { t, weight } from "./strings.js";

/** @typedef {{ id: string, name: string, type: string, bytes: number, width: number | null, height: number | null }} Attachment */

const MOST_WIDTH = 220, MOST_HEIGHT = 240;
const PICTURES = new Set(["image/png", "image/jpeg", "image/webp", "image/gif"]);
/** What was fetched, or is on its way, by id. @type {Map<string, Promise<string>>} */
const kept = new Map();
/** What this visitor chose, by client id: shown at once, and not fetched back. @type {Map<string, string>} */
const chosen = new Map();
let token = () => "";

/** @param {() => string} given */
export function fetchFilesWith(given) {
  token = given;
}

/** @param {Attachment} file @returns {Promise<string>} an address in this page's own memory */
function fetched(file) {
  const known = kept.get(file.id);
  if (known) return known;
  const type = PICTURES.has(file.type) ? file.type : "application/octet-stream"; // never one that a browser would run
  const asked = fetch(`/widget/attachment/${encodeURIComponent(file.id)}`, { headers: { Authorization: `Bearer ${token()}` }, credentials: "omit" })
    .then((answer) => { if (!answer.ok) throw new Error(String(answer.status)); return answer.arrayBuffer(); })
    .then((bytes) => URL.createObjectURL(new Blob([bytes], { type })));
  kept.set(file.id, asked);
  asked.catch(() => kept.delete(file.id));
  return asked;
}

/** Another visitor's log begins: nothing of this one stays in memory. */
export function forgetFiles() {
  for (const one of kept.values()) one.then((url) => URL.revokeObjectURL(url), () => undefined);
  for (const url of chosen.values()) URL.revokeObjectURL(url);
  kept.clear();
  chosen.clear();
}

/** A file before it is sent. @param {File} file @param {string} clientId */
export function chosenNode(file, clientId) {
  if (!PICTURES.has(file.type)) return chip(file.name, file.size);
  const url = chosen.get(clientId) ?? URL.createObjectURL(file);
  chosen.set(clientId, url);
  return el("span", { class: "w-pic" }, el("img", { src: url, alt: file.name }));
}

/** A file of the log. @param {Attachment} file @param {string | null} clientId given to its own sender */
export function fileNode(file, clientId) {
  return PICTURES.has(file.type) ? picture(file, clientId) : savable(file);
}

/** Its size in the log, known before it has loaded, so that nothing jumps. @param {Attachment} file */
function fitted({ width, height }) {
  const wide = width || 1, high = height || 1, share = Math.min(1, MOST_WIDTH / wide, MOST_HEIGHT / high);
  return [Math.max(1, Math.round(wide * share)), Math.max(1, Math.round(high * share))];
}

/** @param {Attachment} file @param {string | null} clientId */
function picture(file, clientId) {
  const [width, height] = fitted(file), image = /** @type {HTMLImageElement} */ (el("img", { alt: file.name, width, height }));
  const button = el("button", { type: "button", class: "w-pic", "aria-label": t("open_picture", { name: file.name }), onclick: () => { if (image.src) look(file, image.src); } }, image);
  const own = clientId ? chosen.get(clientId) : undefined;
  if (own) image.src = own;
  else fetched(file).then((url) => { image.src = url; }, () => button.replaceWith(gone()));
  return button;
}

/** @param {Attachment} file */
function savable(file) {
  const button = el("button", { type: "button", class: "w-file", "aria-label": t("save_file", { name: file.name }) }, icon("page"), el("bdi", { class: "clip" }, file.name), el("span", { class: "w-weight" }, weight(file.bytes)), icon("download"));
  button.addEventListener("click", () => fetched(file).then((url) => save(file, url), () => button.replaceWith(gone())));
  return button;
}

/** @param {string} name @param {number} bytes */
function chip(name, bytes) {
  return el("span", { class: "w-file" }, icon("page"), el("bdi", { class: "clip" }, name), el("span", { class: "w-weight" }, weight(bytes)));
}

function gone() {
  return el("p", { class: "w-gone" }, t("file_gone"));
}

/** @param {Attachment} file @param {string} url */
function save(file, url) {
  el("a", { href: url, download: file.name }).click();
}

/** The picture as large as the frame is. @param {Attachment} file @param {string} url */
function look(file, url) {
  const close = () => dialog.close();
  const dialog = /** @type {HTMLDialogElement} */ (el("dialog", { class: "w-look", "aria-label": file.name },
    el("div", { class: "w-look-bar" },
      el("bdi", { class: "clip grow" }, file.name),
      el("button", { type: "button", class: "btn btn-quiet btn-icon", "aria-label": t("save_file", { name: file.name }), onclick: () => save(file, url) }, icon("download")),
      el("button", { type: "button", class: "btn btn-quiet btn-icon", "aria-label": t("close_picture"), onclick: close }, icon("x"))),
    el("img", { src: url, alt: file.name })));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) close(); });
  dialog.addEventListener("keydown", (event) => event.stopPropagation()); // Escape closes the picture, not the chat
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
