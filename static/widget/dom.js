// @ts-check
// dom.js: nodes without HTML. Text from people and models only ever becomes text nodes.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * A new element. Props: `on*` functions are listeners, `true` sets an empty attribute, `false` and null set none.
 * @param {string} tag @param {Record<string, any>} [props] @param {...Child} children
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(.../** @type {(Node | string)[]} */ (children.filter(Boolean)));
  return node;
}

/** A drawing of the sprite, for eyes only. @param {string} name @param {string} [more] further classes */
export function icon(name, more = "") {
  const svg = document.createElementNS(SVG, "svg"), use = document.createElementNS(SVG, "use");
  svg.setAttribute("class", `i ${more}`.trim());
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Round for a person. @param {string} initials @param {string} [size] `av-s` or `av-l` */
export function face(initials, size = "") {
  return el("span", { class: `av av-person ${size}`, "aria-hidden": "true" }, initials);
}

/** Square for the AI. */
export function square() {
  return el("span", { class: "av av-ai", "aria-hidden": "true" }, icon("ai"));
}

/** @param {string} selector @returns {HTMLElement} */
export function find(selector) {
  const node = document.querySelector(selector);
  if (!(node instanceof HTMLElement)) throw new Error(`The frame has no ${selector}`);
  return node;
}
