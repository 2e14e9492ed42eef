// @ts-check
// live-http.js: partials to show, posts to act. A refusal carries a code and a sentence for the agent.

export class Refused extends Error {
  /** @param {number} status @param {string} code @param {string} sentence */
  constructor(status, code, sentence) {
    super(sentence);
    this.status = status;
    this.code = code;
  }
}

/** @param {string} url @returns {Promise<string>} */
export async function partial(url) {
  const answer = await fetch(url, { headers: { Accept: "text/html, application/json" }, credentials: "same-origin" });
  if (!answer.ok) throw await refusal(answer);
  return answer.text();
}

/** @param {string} url @param {Record<string, string>} [fields] */
export async function post(url, fields = {}) {
  await submit(url, new URLSearchParams(fields));
}

/** @param {string} url @param {{ client_id: string, file: File }} fields @returns {Promise<{ seq: number }>} its place in the log */
export async function upload(url, { client_id, file }) {
  const form = new FormData();
  form.set("client_id", client_id);
  form.set("file", file, file.name);
  return (await submit(url, form)).json();
}

/** @param {string} url @param {BodyInit} body */
async function submit(url, body) {
  const token = /** @type {HTMLInputElement | null} */ (document.querySelector("[name=csrfmiddlewaretoken]"));
  const headers = { "X-CSRFToken": token?.value ?? "", Accept: "application/json" };
  const answer = await fetch(url, { method: "POST", body, headers, credentials: "same-origin" });
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

/** @param {Response} answer */
async function refusal(answer) {
  const body = await answer.json().catch(() => ({}));
  return new Refused(answer.status, body.code ?? "error", body.sentence ?? "That did not work. Try again.");
}

/** Calls that come close together become one, and one that is under way is followed by at most one more.
 * @param {() => Promise<void>} work @param {number} waitMs */
export function calmly(work, waitMs) {
  /** @type {number | undefined} */
  let timer;
  let busy = false, again = false;
  const run = async () => {
    timer = undefined;
    if (busy) { again = true; return; }
    busy = true;
    try { await work(); } finally {
      busy = false;
      if (again) { again = false; ask(); }
    }
  };
  const ask = () => { timer ??= setTimeout(run, waitMs); };
  return ask;
}
