// @ts-check
// head.js: who is answering, what happens next, how to reach a person. Nothing here is said that the state does not say.

import { el, find } from "./dom.js";
import { initialsOf } from "./entries.js";
import { list, nextTime, span, t } from "./strings.js";

/** @typedef {{ reachable: boolean, within_seconds: number | null, names: string[], opens_at: string | null }} Promise_ */
/** @typedef {{ owner: "ai" | "queue" | "agent" | "none", epoch: number, agent: { name: string, initials: string } | null, seen: { visitor: number, team: number }, waiting_since: string | null, promise?: Promise_, is_test?: boolean }} State */

/** @param {Promise_ | undefined} promise @returns {[string, string]} the shape of the dot and the words */
function availability(promise) {
  if (!promise) return ["", t("status_ai")];
  if (promise.reachable) {
    const shown = promise.names.slice(0, 2), more = promise.names.length - shown.length;
    const online = shown.length ? t("online", { names: list(more > 0 ? [...shown, `+${more}`] : shown) }) : t("people_online");
    return ["live", promise.within_seconds === null ? online : `${online}, ${t("reply_in", { time: span(promise.within_seconds) })}`];
  }
  if (promise.opens_at) return ["live live-gone", t("back_at", { time: nextTime(new Date(promise.opens_at)) })];
  return ["", t("status_ai")];
}

export class Head {
  /** @param {string} business */
  constructor(business) {
    this.business = business;
    this.who = find("[data-who]");
    this.title = find("[data-title]");
    this.status = find("[data-status]");
    this.logo = this.who.firstElementChild;
    this.drawn = "";
  }

  /** @param {State} state @param {boolean} online */
  show(state, online) {
    const agent = state.owner === "agent" ? state.agent : null;
    const [dot, words] = agent ? ["", online ? t("from_here", { name: this.business }) : t("from", { name: this.business })]
      : state.owner === "queue" ? ["live live-away", t("finding")] : availability(state.promise);
    const drawing = JSON.stringify([agent, dot, words, online]);
    if (drawing === this.drawn) return;
    this.drawn = drawing;
    this.title.textContent = agent ? agent.name : this.business;
    this.status.replaceChildren(...(dot && online ? [el("span", { class: dot })] : []), words);
    this.status.title = words;
    if (agent) {
      const face = el("span", { class: "av av-person av-l", "aria-hidden": "true" }, agent.initials || initialsOf(agent.name), el("span", { class: online ? "live" : "live live-gone" }));
      this.who.replaceChildren(face);
    } else if (this.logo) this.who.replaceChildren(this.logo);
  }
}
