// @ts-check
// loader.js, served as /widget.js: the one script on a business's page. It draws the launcher, opens the chat in an
// iframe on demand, and keeps what a cross-site iframe cannot keep: token, open flag, draft and unsent messages.
(() => {
  "use strict";
  const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  const early = /** @type {any} */ (window).BuiltABot;
  if (!script || (early && !Array.isArray(early))) return;

  const project = script.dataset.project ?? "";
  const home = new URL(script.src).origin;
  const language = script.dataset.language || navigator.language || "";
  const phone = matchMedia("(max-width: 479px)");
  const PREFIX = `builtabot:${new URL(home).host}:${project}:`;
  const BEAT_MS = 3000, GONE_MS = 10_000, HOUR_MS = 60 * 60 * 1000;
  const DAY_MS = 24 * 60 * 60 * 1000;
  const SECRETS = /token|key|code|secret|passw|session|signature|auth/i;

  /** The host page's storage, or memory where it is denied. Keys are this widget's host and project. */
  const store = (() => {
    const prefix = PREFIX;
    /** @type {Map<string, string>} */
    const memory = new Map();
    /** @template T @param {() => T} action @param {() => T} otherwise */
    const attempt = (action, otherwise) => { try { return action(); } catch { return otherwise(); } };
    return {
      /** @param {string} key */
      get: (key) => memory.get(key) ?? attempt(() => localStorage.getItem(prefix + key), () => null),
      /** @param {string} key @param {string} value */
      set(key, value) {
        memory.delete(key);
        attempt(() => localStorage.setItem(prefix + key, value), () => { memory.set(key, value); });
      },
      /** @param {string} key */
      drop(key) { memory.delete(key); attempt(() => localStorage.removeItem(prefix + key), () => undefined); },
      /** Every kept value whose key begins so. @param {string} start @returns {string[]} */
      all(start) {
        const kept = attempt(() => Object.keys(localStorage), () => /** @type {string[]} */ ([]));
        const mine = kept.filter((key) => key.startsWith(prefix + start)).map((key) => localStorage.getItem(key) ?? "");
        return [...mine, ...[...memory].filter(([key]) => key.startsWith(start)).map(([, value]) => value)];
      },
    };
  })();

  const STYLE = `
    :host { all: initial; color-scheme: light dark; }
    * { box-sizing: border-box; }
    [hidden] { display: none !important; }
    .root { position: fixed; z-index: 2147483000; inset-block-end: 24px; inset-inline-end: 24px; display: grid; justify-items: end; gap: 14px; pointer-events: none; font: 14px/1.4 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif; }
    .root > * { pointer-events: auto; }
    button { all: unset; box-sizing: border-box; cursor: pointer; -webkit-tap-highlight-color: transparent; }
    button:focus-visible { outline: 3px solid light-dark(#077d94, #83d4ea); outline-offset: 3px; }
    .launcher { position: relative; inline-size: 60px; block-size: 60px; border-radius: 20px; display: grid; place-items: center; background: var(--brand); color: var(--on-brand); box-shadow: 0 4px 14px -4px #28242066, 0 1px 3px #28242040, inset 0 0 0 1px #ffffff24; transition: border-radius 240ms cubic-bezier(.2, .7, .2, 1); }
    @media (hover: hover) { .launcher:hover { border-radius: 30px; } }
    .launcher svg { inline-size: 30px; block-size: 30px; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; grid-area: 1 / 1; transition: opacity 160ms, scale 160ms; }
    .launcher[aria-expanded="true"] .chat, .launcher[aria-expanded="false"] .down { opacity: 0; scale: .6; }
    .count { position: absolute; inset-block-start: -6px; inset-inline-end: -6px; min-inline-size: 22px; padding: 0 6px; border-radius: 11px; font-size: 12px; font-weight: 600; line-height: 22px; text-align: center; background: #b3141f; color: #fff; box-shadow: 0 0 0 2px #fff; }
    .preview { position: relative; display: grid; grid-template-columns: 28px minmax(0, 1fr); gap: 2px 10px; max-inline-size: min(290px, calc(100vw - 32px)); padding: 11px 38px 12px 14px; border-radius: 14px; border: 1px solid light-dark(#c7c5c2, #46433e); background: light-dark(#fff, #211f1c); color: light-dark(#1b1916, #f1eee8); box-shadow: 0 4px 14px -4px #28242040, 0 1px 3px #28242024; animation: rise 160ms cubic-bezier(.2, .7, .2, 1); }
    .preview[dir="rtl"] { padding: 11px 14px 12px 38px; }
    .preview .open { display: contents; }
    .preview .open::after { content: ""; position: absolute; inset: 0; border-radius: 14px; }
    .preview .open:focus-visible::after { outline: 3px solid light-dark(#077d94, #83d4ea); outline-offset: 2px; }
    .who { grid-row: 1 / 3; inline-size: 28px; block-size: 28px; display: grid; place-items: center; font-size: 11px; font-weight: 600; border-radius: 22%; background: light-dark(#282623, #d9d4c9); color: light-dark(#fff, #1b1916); }
    .who.person { border-radius: 50%; background: light-dark(#d8f3fb, #0f3641); color: light-dark(#024c5b, #b4e6f4); }
    .name { font-size: 12px; font-weight: 600; }
    .line { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; overflow-wrap: anywhere; }
    .hide { position: absolute; z-index: 1; inset-block-start: 4px; inset-inline-end: 4px; inline-size: 30px; block-size: 30px; display: grid; place-items: center; border-radius: 8px; color: light-dark(#565450, #bab5ab); }
    .hide:hover { background: light-dark(#2824200d, #f5efe212); }
    .hide svg { inline-size: 16px; block-size: 16px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; }
    iframe { position: fixed; inset-block-end: 98px; inset-inline-end: 24px; inline-size: min(380px, calc(100vw - 48px)); block-size: min(620px, calc(100dvh - 122px)); border: 0; border-radius: 20px; background: light-dark(#fff, #1b1916); box-shadow: 0 18px 48px -12px #28242059, 0 4px 12px -4px #28242033, 0 0 0 1px light-dark(#e6e4e1, #2f2d2a); color-scheme: inherit; transition: opacity 160ms cubic-bezier(.2, .7, .2, 1), translate 160ms cubic-bezier(.2, .7, .2, 1), visibility 0s; }
    iframe.away { opacity: 0; translate: 0 12px; visibility: hidden; pointer-events: none; transition-duration: 90ms, 90ms, 0s; transition-delay: 0s, 0s, 90ms; }
    @keyframes rise { from { opacity: 0; translate: 0 6px; } }
    @media (max-width: 479px) {
      .root { inset-block-end: calc(16px + env(safe-area-inset-bottom)); inset-inline-end: 16px; }
      iframe { inset: 0; inset-block-start: var(--top, 0); inline-size: 100%; block-size: var(--height, 100dvh); border-radius: 0; box-shadow: none; }
      .launcher[aria-expanded="true"] { visibility: hidden; }
    }
    @media (prefers-reduced-motion: reduce) { *, *::after { transition: none !important; animation: none !important; } }
    @media print { .root { display: none; } }
  `;

  /** @param {string} tag @param {Record<string, string>} [attributes] @param {...(Node | string)} children */
  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  /** @param {string} name @param {string} path @param {boolean} [dot] */
  function drawing(name, path, dot) {
    const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
    const line = svg.appendChild(document.createElementNS(space, "path"));
    svg.setAttribute("viewBox", "0 0 20 20"); svg.setAttribute("class", name); svg.setAttribute("aria-hidden", "true");
    line.setAttribute("d", path);
    if (dot) {
      const round = svg.appendChild(document.createElementNS(space, "circle"));
      round.setAttribute("cx", "15.4"); round.setAttribute("cy", "13.6"); round.setAttribute("r", "2.6");
    }
    return svg;
  }

  const CHAT = "M3.5 5.5h9a1.5 1.5 0 0 1 1.5 1.5v4a1.5 1.5 0 0 1-1.5 1.5H8l-3 2.6v-2.6H3.5A1.5 1.5 0 0 1 2 11V7a1.5 1.5 0 0 1 1.5-1.5Z";
  /** @type {any} */
  let look = null;
  /** @type {Record<string, any>} */
  let parts = {};
  /** @type {MessagePort | null} */
  let port = null;
  let isOpen = false, isAsking = false, isStopped = false, wantsFocus = false, unread = 0;
  let overflowBefore = "";

  /** @param {string} type @param {object} [fields] */
  const tell = (type, fields) => port?.postMessage({ type, ...fields });

  /** @param {string} reason */
  function stop(reason) {
    isStopped = true;
    parts.holder?.remove();
    if (phone.matches && isOpen) document.documentElement.style.overflow = overflowBefore;
    console.warn(`BuiltABot: the chat stays closed. ${reason}`);
  }

  /** A request to our own server; says whether it may be tried again. @param {string} path @param {RequestInit} [init] */
  async function ask(path, init) {
    try {
      const answer = await fetch(home + path, { credentials: "omit", mode: "cors", ...init });
      const body = await answer.json();
      if (answer.ok) return { body };
      return answer.status >= 500 || answer.status === 429 ? {} : { refused: String(body.sentence ?? answer.status) };
    } catch {
      return {};
    }
  }

  /** Try until it works or is refused for good, ever less often. @param {() => Promise<any>} request @returns {Promise<any>} */
  async function persist(request) {
    for (let wait = 1000; !isStopped; wait = Math.min(wait * 2, 30_000)) {
      const { body, refused } = await request();
      if (body) return body;
      if (refused) { stop(refused); return null; }
      await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())));
    }
    return null;
  }

  /** A token for the frame: the kept one, or a new one if there is none or the server no longer knows it. @param {boolean} renew */
  async function session(renew) {
    const kept = store.get("token");
    if (kept && !renew) { tell("token", { token: kept }); return; }
    if (isAsking) return;
    isAsking = true;
    const body = JSON.stringify({ project, token: kept, language });
    const headers = { "Content-Type": "application/json" };
    const opened = await persist(() => ask("/widget/session", { method: "POST", headers, body }));
    isAsking = false;
    if (!opened) return;
    const others = store.get("token"); // another tab may have been quicker
    const token = others && others !== kept ? others : opened.token;
    store.set("token", token);
    tell("token", { token });
  }

  /** Where the visitor is, without what looks like a secret in the address. */
  function page() {
    const url = new URL(location.href);
    url.username = url.password = "";
    for (const name of [...url.searchParams.keys()]) if (SECRETS.test(name)) url.searchParams.set(name, "hidden");
    if (SECRETS.test(url.hash)) url.hash = "";
    return { url: url.href.slice(0, 1000), title: document.title.slice(0, 200) };
  }

  /** @param {any} message */
  function heard(message) {
    if (message.type === "close") close();
    else if (message.type === "renew") void session(true);
    else if (message.type === "draft") { if (message.text) store.set("draft", message.text); else store.drop("draft"); }
    else if (message.type === "keep") keep(message.item);
    else if (message.type === "way") { if (message.polls) store.set("polls", String(Date.now())); else store.drop("polls"); }
    else if (message.type === "done") store.drop(`out:${message.client_id}`);
    else if (message.type === "unread") showUnread(message);
  }

  /** This tab's name; the same after a reload. */
  const me = (() => {
    const fresh = Math.random().toString(36).slice(2);
    try {
      const known = sessionStorage.getItem(`${PREFIX}tab`) ?? fresh;
      sessionStorage.setItem(`${PREFIX}tab`, known);
      return known;
    } catch { return fresh; }
  })();

  /** What is unsent belongs to one tab, which says that it lives for as long. @param {any} item */
  function keep(item) {
    store.set(`out:${item.client_id}`, JSON.stringify({ ...item, tab: me }));
    store.set(`tab:${me}`, String(Date.now()));
    store.set("active", String(Date.now()));
  }

  /** Every unsent item of all tabs, oldest first. @returns {any[]} */
  function kept() {
    const items = store.all("out:").flatMap((text) => { try { return [JSON.parse(text)]; } catch { return []; } });
    return items.sort((one, other) => one.at - other.at);
  }

  /** Take over what a tab left behind that is gone, so that it is sent, and by one tab. */
  function inherit() {
    const isMine = (/** @type {any} */ item) => item.tab === me;
    const isLeft = (/** @type {any} */ item) => !isMine(item) && Date.now() - Number(store.get(`tab:${item.tab}`) ?? 0) > GONE_MS;
    const items = kept(), left = items.filter(isLeft);
    for (const item of left) { store.drop(`tab:${item.tab}`); keep(item); }
    if (items.some(isMine)) store.set(`tab:${me}`, String(Date.now()));
    return left;
  }

  /** Tabs of one visitor agree: on who they are, whether the chat is open, and what is being written. */
  function agree() {
    addEventListener("storage", ({ key }) => {
      const name = key?.startsWith(PREFIX) ? key.slice(PREFIX.length) : "", value = store.get(name);
      if (name === "token" && value) tell("token", { token: value });
      else if (name === "draft") tell("draft", { text: value ?? "" });
      else if (name === "open" && value) open({ focus: false });
      else if (name === "open") close();
    });
    addEventListener("pagehide", () => store.drop(`tab:${me}`));
    setInterval(() => {
      if (!port) return;
      const items = inherit();
      if (items.length) tell("adopt", { items });
    }, BEAT_MS);
  }

  /** Greet the frame, and give it the only line on which the two will speak. */
  function greet() {
    port?.close();
    const channel = new MessageChannel();
    port = channel.port1;
    port.onmessage = (event) => heard(event.data);
    inherit();
    const focus = isOpen && wantsFocus && [parts.frame, parts.launcher, null].includes(parts.shadow.activeElement);
    if (focus) parts.frame.focus(); // the one from before it had loaded is gone
    const init = {
      focus, builtabot: 1, type: "init", language, theme: script?.dataset.theme ?? "", page: page(), draft: store.get("draft") ?? "",
      outbox: kept().filter((item) => item.tab === me), open: isOpen, polls: Date.now() - Number(store.get("polls") ?? 0) < HOUR_MS, away: document.visibilityState === "hidden", full: phone.matches,
    };
    parts.frame.contentWindow.postMessage(init, home, [channel.port2]);
    void session(false);
  }

  function ensureFrame() {
    if (parts.frame) return;
    const query = new URLSearchParams({ project, language });
    parts.frame = make("iframe", {
      class: "away", title: look.words.chat_with.replace("{name}", look.name), src: `${home}/widget/frame?${query}`,
      sandbox: "allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox allow-downloads",
    });
    parts.frame.addEventListener("load", greet);
    parts.root.prepend(parts.frame);
    parts.frame.getBoundingClientRect(); // so that the first opening moves, too
  }

  /** @param {{ focus?: boolean }} [options] */
  function open({ focus = true } = {}) {
    if (!look || isStopped || isOpen) return;
    isOpen = true;
    wantsFocus = focus;
    ensureFrame();
    store.set("open", "1");
    reflect();
    tell("open", { open: true, focus });
    if (focus) parts.frame.focus();
  }

  function close() {
    if (!isOpen) return;
    const hadFocus = parts.shadow.activeElement === parts.frame;
    isOpen = false;
    store.drop("open");
    reflect();
    tell("open", { open: false });
    if (hadFocus) parts.launcher.focus();
  }

  function reflect() {
    parts.frame?.classList.toggle("away", !isOpen);
    parts.launcher.setAttribute("aria-expanded", String(isOpen));
    const label = isOpen ? look.words.close_chat : look.words.open_chat;
    parts.launcher.setAttribute("aria-label", unread && !isOpen ? `${label}. ${look.words.new_messages.replace("{count}", unread)}` : label);
    parts.count.hidden = isOpen || unread === 0;
    parts.count.textContent = unread > 9 ? "9+" : String(unread);
    parts.preview.hidden = isOpen || unread === 0 || !parts.line.textContent;
    const root = document.documentElement;
    if (phone.matches && isOpen) { if (root.style.overflow !== "hidden") overflowBefore = root.style.overflow; root.style.overflow = "hidden"; }
    else if (root.style.overflow === "hidden") root.style.overflow = overflowBefore;
    fit();
  }

  /** Above a phone's keyboard, not behind it. */
  function fit() {
    const view = window.visualViewport;
    if (!view || !phone.matches || !parts.frame) return;
    parts.frame.style.setProperty("--height", `${view.height}px`);
    parts.frame.style.setProperty("--top", `${view.offsetTop}px`);
  }

  /** @param {{ count: number, name: string, initials: string, person: boolean, text: string }} news */
  function showUnread(news) {
    unread = news.count;
    if (news.count) {
      parts.who.textContent = news.initials;
      parts.who.classList.toggle("person", news.person);
      parts.name.textContent = news.name;
      parts.line.textContent = news.text;
    }
    reflect();
  }

  function draw() {
    // The corner follows the page, the words the visitor.
    const holder = make("div", { "data-builtabot": "", dir: getComputedStyle(document.documentElement).direction, lang: look.language });
    const shadow = holder.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet(); // constructed sheets pass a page's policy that refuses inline styles
    sheet.replaceSync(STYLE);
    shadow.adoptedStyleSheets = [sheet];
    const count = make("span", { class: "count", "aria-hidden": "true" });
    const launcher = make("button", { type: "button", class: "launcher" }, drawing("chat", CHAT, true), drawing("down", "m5.5 8 4.5 4.5L14.5 8"), count);
    const who = make("span", { class: "who", "aria-hidden": "true" }), name = make("span", { class: "name", dir: "auto" }), line = make("span", { class: "line", dir: "auto" });
    const show = make("button", { type: "button", class: "open" }, who, name, line);
    const hide = make("button", { type: "button", class: "hide", "aria-label": look.words.hide_preview }, drawing("x", "m5.5 5.5 9 9m0-9-9 9"));
    const preview = make("div", { class: "preview", dir: look.direction }, show, hide);
    const root = make("div", { class: "root" }, preview, launcher);
    root.style.setProperty("--brand", look.brand);
    root.style.setProperty("--on-brand", look.on_brand);
    if (script?.dataset.theme) holder.style.setProperty("color-scheme", script.dataset.theme);
    shadow.append(root);
    parts = { holder, shadow, root, launcher, count, preview, who, name, line };
    launcher.addEventListener("click", () => (isOpen ? close() : open()));
    launcher.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
    show.addEventListener("click", () => open());
    hide.addEventListener("click", () => { line.textContent = ""; reflect(); launcher.focus(); });
    document.body.append(holder);
    reflect();
  }

  /** Tell the frame when the page, its title or its visibility changes. */
  function watch() {
    let last = JSON.stringify(page());
    const look_again = () => {
      const now = page();
      if (JSON.stringify(now) !== last) { last = JSON.stringify(now); tell("page", now); }
    };
    const soon = () => setTimeout(look_again, 50); // single-page sites set the title after the address
    const navigation = /** @type {any} */ (window).navigation;
    if (navigation) navigation.addEventListener("currententrychange", soon);
    else for (const name of /** @type {const} */ (["pushState", "replaceState"])) {
      const original = history[name];
      history[name] = function (...rest) { original.apply(this, rest); soon(); };
    }
    addEventListener("popstate", soon);
    addEventListener("hashchange", soon);
    new MutationObserver(soon).observe(document.head, { subtree: true, childList: true, characterData: true });
    document.addEventListener("visibilitychange", () => tell("away", { away: document.visibilityState === "hidden" }));
    window.visualViewport?.addEventListener("resize", fit);
    window.visualViewport?.addEventListener("scroll", fit);
    phone.addEventListener("change", () => { tell("full", { full: phone.matches }); reflect(); });
  }

  async function start() {
    const query = new URLSearchParams({ project, language });
    look = await persist(() => ask(`/widget/project?${query}`));
    if (!look) return;
    draw();
    watch();
    agree();
    if (store.get("open")) open({ focus: false });
    // Somebody who wrote within a day may have an answer waiting: listen, unseen.
    else if (store.get("token") && Date.now() - Number(store.get("active") ?? 0) < DAY_MS) ensureFrame();
    for (const [name] of early ?? []) if (name === "open") open();
  }

  /** The page's own buttons: `BuiltABot.open()`. Before this script has loaded, an array of `["open"]` waits for it. */
  const api = { open: () => open(), close, toggle: () => (isOpen ? close() : open()), push: (/** @type {string[]} */ [name]) => { if (name === "open") open(); } };
  /** @type {any} */ (window).BuiltABot = Object.freeze(api);
  if (!project) { console.warn("BuiltABot: the script names no data-project."); return; }
  if (document.body) void start();
  else addEventListener("DOMContentLoaded", () => void start(), { once: true });
})();
