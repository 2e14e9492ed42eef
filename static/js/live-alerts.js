// @ts-check
// live-alerts.js: a sound and a notification for a real handoff, never for a test, and only after the agent
// asked for them with a click.

const KEY = "live.ring";
/** @type {AudioContext | null} */
let audio = null;
let wanted = read() === "on";

function read() { try { return localStorage.getItem(KEY); } catch { return null; } }

/** @param {HTMLButtonElement | null} button */
export function bindBell(button) {
  if (!button) return;
  const show = () => {
    const blocked = typeof Notification !== "undefined" && Notification.permission === "denied";
    const words = wanted ? (blocked ? "sound on; notifications are blocked in the browser" : "on") : "off";
    button.setAttribute("aria-pressed", String(wanted));
    button.title = `Sound and notifications: ${words}`;
  };
  button.addEventListener("click", async () => {
    wanted = !wanted;
    try { localStorage.setItem(KEY, wanted ? "on" : "off"); } catch { /* kept for this page only */ }
    if (wanted) {
      wake();
      if (typeof Notification !== "undefined" && Notification.permission === "default") await Notification.requestPermission();
      chime();
    }
    show();
  });
  // Sound needs a gesture on every visit; any will do.
  addEventListener("pointerdown", () => { if (wanted) wake(); }, { once: true });
  show();
}

function wake() {
  audio ??= new AudioContext();
  void audio.resume();
}

function chime() {
  if (!audio || audio.state !== "running") return;
  for (const [offset, pitch] of [[0, 660], [0.14, 880]]) {
    const tone = audio.createOscillator(), loud = audio.createGain(), at = audio.currentTime + offset;
    tone.frequency.value = pitch;
    loud.gain.setValueAtTime(0, at);
    loud.gain.linearRampToValueAtTime(0.12, at + 0.02);
    loud.gain.exponentialRampToValueAtTime(0.0001, at + 0.3);
    tone.connect(loud).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.32);
  }
}

/** @param {{id: string, label: string, reason: string, conversation: string, open: () => void}} news */
export function ring({ id, label, reason, conversation, open }) {
  if (!wanted) return;
  chime();
  if (typeof Notification === "undefined" || Notification.permission !== "granted" || document.hasFocus()) return;
  const note = new Notification(label, { body: reason, tag: `handoff-${id}`, data: conversation });
  note.onclick = () => { window.focus(); open(); note.close(); };
}
