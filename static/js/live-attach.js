// @ts-check
// live-attach.js: an agent sends a picture or PDF: chosen, pasted or dropped on the conversation. A file keeps its
// client_id when it is sent again, so that it is stored once.

import { isNote, problem } from "./live-compose.js";
import { Refused, upload } from "./live-http.js";
import { markStored, showPending } from "./live-log.js";
import { uuid } from "./live-outbox.js";
import { find, opened, openedId } from "./live-page.js";

const LARGEST_BYTES = 10 * 1024 * 1024;

/** @typedef {import("./live-outbox.js").Item & { file: File }} Parcel */

/** @type {Map<string, Parcel>} */
const parcels = new Map();
let line = Promise.resolve();
/** @type {{ refreshOpened: () => void, refreshQueue: () => void }} */
let page;

const mayAttach = () => opened()?.dataset.mode === "mine" && !isNote();

/** @param {{ refreshOpened: () => void, refreshQueue: () => void }} given */
export function bindAttach(given) {
  page = given;
  const pane = /** @type {HTMLElement} */ (find("[data-convo]"));
  const input = () => /** @type {HTMLInputElement | null} */ (find("[data-file]", pane));
  pane.addEventListener("click", (event) => {
    if (/** @type {HTMLElement} */ (event.target).closest?.("[data-attach]")) input()?.click();
  });
  pane.addEventListener("change", (event) => {
    const chosen = input();
    if (event.target !== chosen || !chosen) return;
    attach(chosen.files);
    chosen.value = "";
  });
  pane.addEventListener("paste", (event) => {
    const files = event.clipboardData?.files;
    // Some programs copy words together with their picture: then the words are meant.
    if (!files?.length || event.clipboardData?.getData("text/plain") || !mayAttach()) return;
    event.preventDefault();
    attach(files);
  });
  pane.addEventListener("dragover", (event) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); });
  pane.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    if (mayAttach()) attach(event.dataTransfer.files);
    else problem("Claim this conversation first; then a file reaches the visitor.");
  });
}

/** @param {FileList | null} files */
function attach(files) {
  problem("");
  for (const file of files ?? []) {
    if (file.size > LARGEST_BYTES) { problem(`${file.name} is over 10 MB.`); continue; }
    const parcel = { client_id: uuid(), conversation: openedId(), text: file.name, note: false, sent: 0, problem: "", file };
    parcels.set(parcel.client_id, parcel);
    show(parcel);
    queued(parcel.client_id);
  }
}

/** One after the other, in the order chosen. @param {string} clientId */
function queued(clientId) {
  line = line.then(() => send(clientId));
}

/** @param {string} clientId */
async function send(clientId) {
  const parcel = parcels.get(clientId);
  if (!parcel) return;
  parcel.problem = "";
  show(parcel);
  try {
    const ack = await upload(`/live/c/${parcel.conversation}/attachment/`, { client_id: clientId, file: parcel.file });
    parcels.delete(clientId);
    markStored(clientId, ack.seq);
    page.refreshOpened();
    page.refreshQueue();
  } catch (error) {
    parcel.problem = error instanceof Refused ? error.message : "No connection. The file is kept until you leave this page.";
    show(parcel);
  }
}

/** @param {Parcel} parcel */
function show(parcel) {
  if (parcel.conversation === openedId()) showPending(parcel, queued);
}
