// @ts-check
// cards.js: what the visitor fills in or waits with: e-mail, rating, waiting, no answer.

import { el, icon } from "./dom.js";
import { clock, span, t } from "./strings.js";

let ids = 0;

/** Why an address cannot be one, as the key of a sentence; "" if it can. @param {string} address */
export function addressProblem(address) {
  const text = address.trim(), [name, host, ...more] = text.split("@");
  if (!text) return "email_needed";
  if (host === undefined || more.length || !name || /\s/.test(text)) return "email_at";
  return /^[^.]+(\.[^.]+)*\.[^.\d]{2,}$/.test(host) ? "" : "email_ending";
}

/** @param {HTMLInputElement} input @param {HTMLElement} error @param {string} words "" clears */
function showProblem(input, error, words) {
  error.replaceChildren(...(words ? [icon("alert", "i-s"), words] : []));
  error.hidden = !words;
  if (words) { input.setAttribute("aria-invalid", "true"); input.setAttribute("aria-describedby", error.id); }
  else { input.removeAttribute("aria-invalid"); input.removeAttribute("aria-describedby"); }
}

/** @param {string} question the visitor's own words @param {(lead: { email: string, name: string }) => Promise<void>} submit */
export function leadForm(question, submit) {
  const id = `lead-${(ids += 1)}`;
  const name = /** @type {HTMLInputElement} */ (el("input", { class: "input", id: `${id}-name`, autocomplete: "name", maxlength: 120 }));
  const email = /** @type {HTMLInputElement} */ (el("input", { class: "input", id: `${id}-email`, type: "email", inputmode: "email", autocomplete: "email", maxlength: 254, dir: "ltr" }));
  const error = el("p", { class: "err", id: `${id}-error`, role: "alert", hidden: true });
  const button = el("button", { class: "btn btn-brand btn-l" }, t("send_team"));
  const check = () => { const key = addressProblem(email.value); showProblem(email, error, key && t(key)); return !key; };
  const form = el("form", { class: "w-card", novalidate: true, "aria-labelledby": `${id}-title` },
    el("h2", { id: `${id}-title` }, t("write_title")),
    question && el("blockquote", { class: "w-quote", dir: "auto" }, question),
    el("div", { class: "field" }, el("label", { for: `${id}-name` }, t("name"), " ", el("span", { class: "w-opt" }, t("optional"))), name),
    el("div", { class: "field" }, el("label", { for: `${id}-email` }, t("email")), email, error),
    button);
  email.addEventListener("blur", () => { if (email.value.trim()) check(); });
  email.addEventListener("input", () => { if (email.getAttribute("aria-invalid")) check(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-busy")) return;
    if (!check()) { email.focus(); return; }
    button.setAttribute("aria-busy", "true");
    try {
      await submit({ email: email.value.trim(), name: name.value.trim() });
    } catch (problem) {
      showProblem(email, error, problem instanceof Error && problem.message === "email_invalid" ? t("email_ending") : t("reason_refused"));
      email.focus();
    }
    button.removeAttribute("aria-busy");
  });
  return form;
}

/** @param {string} name who ended it, or "" @param {(rating: { score: number, comment: string }) => Promise<void>} submit */
export function ratingCard(name, submit) {
  const group = `rating-${(ids += 1)}`;
  const stars = [1, 2, 3, 4, 5].map((n) => el("label", {}, el("input", { type: "radio", name: group, value: n }), el("span", { class: "sr" }, t("star", { n })), icon("star")));
  const comment = /** @type {HTMLTextAreaElement} */ (el("textarea", { class: "input", rows: 2, maxlength: 1000, dir: "auto" }));
  const more = el("div", { class: "w-more", hidden: true }, comment, el("button", { class: "btn btn-brand" }, t("send_rating")));
  const problem = el("p", { class: "err", role: "alert", hidden: true });
  const form = el("form", { class: "w-card" },
    el("fieldset", { class: "stars" }, el("legend", {}, name ? t("rate_person", { name }) : t("rate_ai")), ...stars), more, problem);
  const button = /** @type {HTMLElement} */ (more.querySelector("button"));
  const score = () => Number(/** @type {HTMLInputElement | null} */ (form.querySelector("input:checked"))?.value ?? 0);
  form.addEventListener("change", () => {
    const ask = score() < 5 ? t("comment_better") : t("comment_good");
    comment.placeholder = ask;
    comment.setAttribute("aria-label", ask);
    const first = more.hidden;
    more.hidden = false;
    if (first) form.scrollIntoView({ block: "nearest" });
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!score() || button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    try {
      await submit({ score: score(), comment: comment.value.trim() });
    } catch {
      problem.replaceChildren(icon("alert", "i-s"), t("reason_refused"));
      problem.hidden = false;
    }
    button.removeAttribute("aria-busy");
  });
  return form;
}

/** Waiting, shown against what was promised. `update` moves its clock. @param {() => void} askEmail */
export function waitCard(askEmail) {
  const time = el("span", { class: "end num", "aria-hidden": "true" }), bar = el("span", { class: "due", "aria-hidden": "true" }, el("span", { class: "due-bar" }));
  const words = el("span"), email = el("button", { type: "button", class: "w-link", hidden: true, onclick: askEmail }, t("email_instead"));
  const dots = el("span", { class: "dots" }, el("i"), el("i"), el("i"));
  const relay = el("span", { class: "w-relay", "aria-hidden": "true" }, icon("sq", "i-s"), dots, icon("ci", "i-s"));
  const node = el("div", { class: "w-wait", role: "status" }, el("span", { class: "row" }, relay, el("b", {}, t("wait_title")), time), bar, words, email);
  /** @param {number} waited seconds @param {number | null} promised seconds */
  const update = (waited, promised) => {
    const late = promised !== null && waited > promised;
    time.textContent = promised === null ? clock(waited) : `${clock(waited)} / ${clock(promised)}`;
    bar.hidden = promised === null;
    bar.style.setProperty("--p", `${promised ? Math.min(100, (100 * waited) / promised) : 0}%`);
    const sentence = late ? t("wait_late") : promised === null ? t("wait_open") : t("wait_promise", { time: span(promised) });
    if (words.textContent !== sentence) words.textContent = sentence;
    email.hidden = !late;
  };
  return { node, update };
}

/** @param {{ human: () => void, again: () => void }} asks */
export function noAnswerCard({ human, again }) {
  return el("div", { class: "w-card w-fail", role: "alert" },
    el("p", {}, el("b", {}, t("no_answer")), " ", t("no_answer_hint")),
    el("div", { class: "row-wrap" },
      el("button", { type: "button", class: "btn btn-primary", onclick: human }, icon("ask"), t("ask_person")),
      el("button", { type: "button", class: "btn", onclick: again }, t("try_again"))));
}
