// @ts-check
// account.js: the sign-up and password pages. Everything works without it.

for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-reveal]"))) {
  const input = /** @type {HTMLInputElement} */ (document.getElementById(button.dataset.reveal ?? ""));
  button.hidden = false;
  button.addEventListener("click", () => {
    const show = input.type === "password";
    input.type = show ? "text" : "password";
    button.setAttribute("aria-pressed", String(show));
    button.setAttribute("aria-label", show ? "Hide the password" : "Show the password");
    input.focus();
  });
}

const zone = /** @type {HTMLInputElement | null} */ (document.querySelector("[data-timezone]"));
if (zone && !zone.value) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";

/** The address follows the name until somebody types into it. */
const form = document.querySelector("[data-signup]");
const address = /** @type {HTMLInputElement | null} */ (document.querySelector("[data-address]"));
const business = /** @type {HTMLInputElement | null} */ (form?.querySelector("[name=business]") ?? null);
if (address && business) {
  let own = address.value !== "";
  let asked = 0;
  let timer = 0;
  const propose = async () => {
    const turn = ++asked;
    const url = `${address.dataset.propose}?${new URLSearchParams({ business: business.value })}`;
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      const found = await answer.json();
      if (turn === asked && !own) address.value = found.address;
    } catch { /* the server makes the address from the name */ }
  };
  address.addEventListener("input", () => { own = address.value !== ""; });
  business.addEventListener("input", () => { clearTimeout(timer); if (!own) timer = setTimeout(propose, 250); });
  if (!own && business.value) propose();
}
