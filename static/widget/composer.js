// @ts-check
// composer.js: the field at the bottom. What is typed is kept at each key.

import { find } from "./dom.js";
import { t } from "./strings.js";

const TYPING_AGAIN_MS = 3000; // the other side forgets after 6 s
const TYPING_STOPS_MS = 4500;
const WARN_LEFT = 200;

export class Composer {
  /** @param {{ longest: number, types: string[], send: (text: string) => void, attach: (files: File[]) => void, typing: (on: boolean) => void, draft: (text: string) => void }} options */
  constructor({ longest, types, send, attach, typing, draft }) {
    this.longest = longest;
    this.tellTyping = typing;
    this.keep = draft;
    this.field = /** @type {HTMLTextAreaElement} */ (find("[data-field]"));
    this.button = /** @type {HTMLButtonElement} */ (find("[data-send]"));
    this.left = find("[data-left]");
    this.typedAt = 0;
    /** @type {number | undefined} */
    this.pause = undefined;
    const submit = () => {
      const text = this.field.value.trim();
      if (!text || text.length > longest) return;
      this.write("");
      this.stopTyping();
      send(text);
    };
    find("[data-form]").addEventListener("submit", (event) => { event.preventDefault(); submit(); this.field.focus(); });
    this.field.addEventListener("keydown", (event) => {
      // Enter also ends a word in Japanese or Chinese input: that one is not ours.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) { event.preventDefault(); submit(); }
    });
    this.field.addEventListener("input", () => this.changed(true));
    this.clip = find("[data-attach]");
    this.bindFiles(types, attach);
    this.changed(false);
  }

  /** Chosen, pasted, or dropped on the chat. @param {string[]} types @param {(files: File[]) => void} attach */
  bindFiles(types, attach) {
    const input = /** @type {HTMLInputElement} */ (find("[data-file]")), page = document.body;
    const given = (/** @type {FileList | undefined} */ files) => { if (files?.length) attach([...files]); return Boolean(files?.length); };
    input.accept = types.join(",");
    this.clip.addEventListener("click", () => input.click());
    input.addEventListener("change", () => { given(input.files ?? undefined); input.value = ""; this.field.focus(); });
    // Some programs copy words together with their picture: then the words are meant.
    this.field.addEventListener("paste", (event) => { if (!event.clipboardData?.getData("text/plain") && given(event.clipboardData?.files)) event.preventDefault(); });
    page.addEventListener("dragover", (event) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); });
    page.addEventListener("drop", (event) => { if (given(event.dataTransfer?.files)) event.preventDefault(); });
  }

  /** A person can look at files, the AI cannot. @param {boolean} on */
  offerFiles(on) {
    if (!on && document.activeElement === this.clip) this.field.focus();
    this.clip.hidden = !on;
  }

  /** @param {string} text */
  write(text) {
    this.show(text);
    this.keep(text);
  }

  /** What another tab keeps. @param {string} text */
  show(text) {
    if (text === this.field.value) return;
    this.field.value = text;
    this.changed(false);
  }

  /** @param {boolean} byHand */
  changed(byHand) {
    const text = this.field.value, left = this.longest - text.trim().length;
    this.button.disabled = !text.trim() || left < 0;
    this.left.hidden = left > WARN_LEFT;
    this.left.classList.toggle("late", left < 0);
    this.left.textContent = this.left.hidden ? "" : t("characters_left", { count: left });
    this.grow();
    if (!byHand) return;
    this.keep(text);
    if (!text.trim()) { this.stopTyping(); return; }
    if (Date.now() - this.typedAt > TYPING_AGAIN_MS) { this.typedAt = Date.now(); this.tellTyping(true); }
    window.clearTimeout(this.pause);
    this.pause = window.setTimeout(() => this.stopTyping(), TYPING_STOPS_MS);
  }

  stopTyping() {
    window.clearTimeout(this.pause);
    if (!this.typedAt) return;
    this.typedAt = 0;
    this.tellTyping(false);
  }

  grow() {
    this.field.style.setProperty("block-size", "auto");
    this.field.style.setProperty("block-size", `${Math.min(this.field.scrollHeight, 132)}px`);
  }

  /** @param {string} words what the field is for now */
  invite(words) {
    this.field.placeholder = words;
    this.field.setAttribute("aria-label", words);
  }

  focus() {
    this.field.focus();
  }
}
