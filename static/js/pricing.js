// @ts-check
// pricing.js: the comparison follows what is typed. The same sums as tenants/pricing.py, which makes the page without a script.

const box = /** @type {HTMLElement} */ (document.querySelector("[data-roi]"));
const form = /** @type {HTMLFormElement} */ (box.querySelector("form"));
const planCents = Number(box.dataset.planCents), included = Number(box.dataset.conversations || Infinity);
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** @param {number} cents */
const dollars = (cents) => `$${whole.format(Math.floor((cents + 50) / 100))}`;
/** @param {number} n */
const agents = (n) => (n ? `${whole.format(n)} agent${n === 1 ? "" : "s"}` : "none");
/** @param {number} n */
const orNone = (n) => (n ? whole.format(n) : "none");

/** @param {{tickets: number, cost: number, per_agent: number, share: number}} given @returns {Record<string, string>} */
function figures({ tickets, cost, per_agent: perAgent, share }) {
  const forPeople = Math.ceil((tickets * (100 - share)) / 100), alone = Math.ceil(tickets / perAgent), beside = Math.ceil(forPeople / perAgent);
  const human = alone * cost * 100, hybrid = planCents + beside * cost * 100, most = Math.max(human, planCents, hybrid) || 1;
  const bar = (/** @type {number} */ cents) => String(Math.floor((100 * cents) / most));
  return {
    tickets: whole.format(tickets), cost: `$${whole.format(cost)}`, per_agent: whole.format(perAgent), rest_share: `${100 - share}%`, for_people: whole.format(forPeople),
    human_cost: dollars(human), human_agents: agents(alone), human_unanswered: "none", human_bar: bar(human),
    ai_cost: dollars(planCents), ai_agents: "none", ai_unanswered: orNone(forPeople), ai_bar: bar(planCents),
    hybrid_cost: dollars(hybrid), hybrid_agents: agents(beside), hybrid_unanswered: "none", hybrid_bar: bar(hybrid),
  };
}

/** The error takes the place of the help. @param {HTMLInputElement} input */
function tell(input) {
  const line = /** @type {HTMLElement} */ (document.getElementById(`${input.id}-help`)), wrong = !input.checkValidity();
  line.className = wrong ? "err" : "help";
  line.textContent = (wrong ? line.dataset.error : line.dataset.help) ?? "";
  if (wrong) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid");
}

const inputs = /** @type {HTMLInputElement[]} */ ([...form.querySelectorAll("input")]);

/** Numbers that make no sense leave the last figures standing. */
function show() {
  if (!inputs.every((input) => input.checkValidity())) return;
  const given = Object.fromEntries(inputs.map((input) => [input.name, input.valueAsNumber]));
  const found = figures(/** @type {any} */ (given));
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (box.querySelectorAll("[data-out]"))) place.textContent = found[place.dataset.out ?? ""];
  for (const bar of /** @type {NodeListOf<SVGElement>} */ (box.querySelectorAll("[data-bar]"))) bar.setAttribute("width", found[bar.dataset.bar ?? ""]);
  const over = /** @type {HTMLElement | null} */ (box.querySelector("[data-over]"));
  if (over) over.hidden = given.tickets <= included;
  history.replaceState(null, "", `?${new URLSearchParams(Object.entries(given).map(([name, value]) => [name, String(value)]))}${location.hash}`);
}

let pause = 0;
form.addEventListener("input", (event) => {
  const input = /** @type {HTMLInputElement} */ (event.target);
  if (input.checkValidity()) tell(input); // a repaired field says so at once, a broken one when it is left
  show();
  clearTimeout(pause);
  pause = setTimeout(() => {
    const said = /** @type {HTMLElement} */ (box.querySelector("[data-said]")), cost = (/** @type {string} */ name) => box.querySelector(`[data-out="${name}"]`)?.textContent;
    said.textContent = `People only ${cost("human_cost")}, AI only ${cost("ai_cost")}, both ${cost("hybrid_cost")} a month.`;
  }, 800);
});
form.addEventListener("change", (event) => tell(/** @type {HTMLInputElement} */ (event.target)));
form.addEventListener("submit", (event) => { event.preventDefault(); inputs.forEach(tell); show(); });
/** @type {HTMLElement} */ (form.querySelector("[data-compute]")).hidden = true;
