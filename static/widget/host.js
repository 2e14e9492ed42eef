// @ts-check
// host.js: the line to the loader on the business's page, which keeps what this frame cannot.

/** @typedef {{ type: string, [field: string]: any }} Note */

/**
 * Waits for the embedding page's `init`, then speaks with it over the private port that came along: no other
 * window can write to it, and nothing is sent to an origin that was guessed.
 */
export class Host {
  /** @param {(note: Note) => void} heard */
  constructor(heard) {
    /** @type {MessagePort | null} */
    this.port = null;
    addEventListener("message", (event) => {
      const note = event.data;
      if (event.source !== window.parent || !note || note.builtabot !== 1 || note.type !== "init" || !event.ports[0]) return;
      // One page holds us for our whole life; a second greeting is not from it.
      if (this.port) return;
      this.port = event.ports[0];
      this.port.onmessage = (message) => heard(message.data);
      heard(note);
    });
  }

  /** @param {string} type @param {object} [fields] */
  tell(type, fields) {
    this.port?.postMessage({ type, ...fields });
  }
}
