// @ts-check
// live-log.js: the open conversation's log: what is new below, the answer as it streams, who types, what is on its
// way. Only textContent: the server alone renders what somebody wrote.

import { find, opened, pattern, write } from "./live-page.js";

const NEAR_PX = 80;
const TYPING_MS = 6000;
let unseen = 0;
/** @type {{turn: number, epoch: number, text: string, node: HTMLElement} | null} */
let stream = null;
/** @type {Map<string, {node: HTMLElement, timer: number}>} */
const typing = new Map();

const scroller = () => /** @type {HTMLElement | null} */ (find("[data-scroll]"));
const tail = () => /** @type {HTMLElement | null} */ (find("[data-tail]"));

function atEnd() {
  const box = scroller();
  return !box || box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
}

export function toNewest() {
  const box = scroller();
  if (box) box.scrollTop = box.scrollHeight;
  unseen = 0;
  showBelow();
}

function showBelow() {
  const button = /** @type {HTMLElement | null} */ (find("[data-to-newest]"));
  if (!button) return;
  button.hidden = unseen === 0;
  button.textContent = unseen === 1 ? "1 new message" : `${unseen} new messages`;
}

/** Change the log and stay at its end, unless the agent reads further up. @param {() => void} change */
export function growing(change) {
  const follow = atEnd(), before = Number(opened()?.dataset.last ?? 0);
  change();
  const last = Number(opened()?.dataset.last ?? 0);
  if (follow) { toNewest(); return; }
  const fresh = [...document.querySelectorAll("[data-log] > [data-seq]")];
  unseen += fresh.filter((line) => Number(/** @type {HTMLElement} */ (line).dataset.seq) > before).length && last - before;
  showBelow();
}

/** Another conversation, or none: nothing of the last one stays. */
export function resetLog() {
  stream = null;
  unseen = 0;
  for (const { timer } of typing.values()) clearTimeout(timer);
  typing.clear();
  find("[data-scroll]")?.addEventListener("scroll", () => { if (atEnd() && unseen) { unseen = 0; showBelow(); } }, { passive: true });
}

/** A piece of the AI's answer. @param {{turn: number, epoch: number, offset: number, text: string}} delta */
export function streamed({ turn, epoch, offset, text }) {
  if (epoch < Number(opened()?.dataset.epoch ?? 0)) return;
  if (find(`[data-log] [data-turn="${turn}"]`)) return;
  growing(() => {
    if (!stream || stream.turn !== turn) {
      stream?.node.remove();
      stream = { turn, epoch, text: "", node: pattern("stream") };
      tail()?.append(stream.node);
    }
    if (offset > stream.text.length) return; // a piece is missing: the stored answer will say it all
    stream.text = stream.text.slice(0, offset) + text;
    write(stream.node, ".body > p", stream.text);
  });
}

/** Nobody sees words of an AI that no longer speaks. @param {number} epoch */
export function dropStreamBefore(epoch) {
  if (stream && stream.epoch < epoch) { stream.node.remove(); stream = null; }
}

/** After the log was patched: what it now holds is no longer on its way. */
export function settleTail() {
  const last = Number(opened()?.dataset.last ?? 0);
  if (stream && find(`[data-log] [data-turn="${stream.turn}"]`)) { stream.node.remove(); stream = null; }
  for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-tail] [data-stored]"))) {
    if (Number(node.dataset.stored) <= last) node.remove();
  }
}

/** @param {{who: string, name: string, on: boolean}} frame */
export function showTyping({ who, name, on }) {
  const known = typing.get(who);
  if (known) { clearTimeout(known.timer); known.node.remove(); typing.delete(who); }
  if (!on) return;
  const node = pattern("typing");
  const words = who === "visitor" ? `${opened()?.dataset.name ?? "The visitor"} is typing` : who === "ai" ? "The AI is writing" : `${name} is typing`;
  write(node, "[data-typing-words]", words);
  if (who === "ai") find(".typing", node)?.classList.add("typing-ai");
  growing(() => tail()?.append(node));
  typing.set(who, { node, timer: setTimeout(() => showTyping({ who, name, on: false }), TYPING_MS) });
}

/** @param {import("./live-outbox.js").Item} item @param {(clientId: string) => void} resend */
export function showPending(item, resend) {
  let node = /** @type {HTMLElement | null} */ (find(`[data-tail] [data-client="${item.client_id}"]`));
  if (!node) {
    node = pattern(item.note ? "mynote" : "mine");
    node.dataset.client = item.client_id;
    write(node, ".av", document.body.dataset.seatInitials ?? "");
    write(node, ".body > p, .body-text > p", item.text);
    const fresh = node;
    growing(() => tail()?.append(fresh));
    toNewest();
  }
  node.querySelector(".sent-fail")?.remove();
  if (item.problem) {
    const failed = pattern("failed");
    write(failed, "[data-why]", item.problem);
    find("[data-resend]", failed)?.addEventListener("click", () => resend(item.client_id));
    node.querySelector("footer")?.append(failed);
  }
  find("[data-sent]", node)?.toggleAttribute("hidden", Boolean(item.problem));
}

/** @param {string} clientId @param {number} seq */
export function markStored(clientId, seq) {
  const node = /** @type {HTMLElement | null} */ (find(`[data-tail] [data-client="${clientId}"]`));
  if (!node) return;
  node.dataset.stored = String(seq);
  node.classList.remove("msg-pending");
  write(node, "[data-sent]", "Sent");
}
