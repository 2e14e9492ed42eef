// @ts-check
// strings.js: the widget's words in the visitor's language, and its dates and times.

/** @type {Record<string, string>} */
let words = {};
let language = "en";
let isolate = false;

/** @param {Record<string, string>} given @param {string} tag */
export function speak(given, tag) {
  words = given;
  language = tag;
  // A Latin name inside an Arabic sentence would pull its neighbours out of order.
  isolate = document.documentElement.dir === "rtl";
}

/** The sentence, filled in. @param {string} key @param {Record<string, string | number>} [values] */
export function t(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return apart(String(value));
  });
}

/** @param {string} text */
function apart(text) {
  return isolate ? `\u2068${text}\u2069` : text;
}

/** A length of time as people say it: "40 seconds", "2 minutes". @param {number} seconds */
export function span(seconds) {
  const [value, unit] = seconds < 90 ? [Math.max(1, Math.round(seconds)), "second"] : seconds < 5400 ? [Math.round(seconds / 60), "minute"] : [Math.round(seconds / 3600), "hour"];
  return new Intl.NumberFormat(language, { style: "unit", unit: String(unit), unitDisplay: "long" }).format(Number(value));
}

/** Minutes and seconds of a running clock: "0:08". @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** The size of a file: "340 kB", "1.2 MB". @param {number} bytes */
export function weight(bytes) {
  const [value, unit] = bytes < 999_500 ? [Math.max(1, Math.round(bytes / 1000)), "kilobyte"] : [bytes / 1_000_000, "megabyte"];
  return new Intl.NumberFormat(language, { style: "unit", unit: String(unit), maximumFractionDigits: 1 }).format(Number(value));
}

/** @param {Date} when */
export function timeOf(when) {
  return new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" }).format(when);
}

/** @param {Date} when */
export function dayOf(when) {
  return new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" }).format(when);
}

/** The hour, and the day if it is another one. @param {Date} when */
export function nextTime(when) {
  const today = when.toDateString() === new Date().toDateString();
  return today ? timeOf(when) : new Intl.DateTimeFormat(language, { weekday: "long", hour: "numeric", minute: "2-digit" }).format(when);
}

/** @param {string[]} names */
export function list(names) {
  return new Intl.ListFormat(language, { type: "conjunction" }).format(names.map(apart));
}
