/** Which agent a new session is held with, what one may ask it first, and a badge that says whose session is open. */

import { ask } from "./api.js";
import { $, h } from "./dom.js";

let agents = [];
let standard = "assistant";

export async function loadAgents() {
  ({ items: agents, default: standard } = await ask("GET", "agents"));
  $("agent-choices").replaceChildren(...agents.map(choice));
  showAgent(null);
}

/** The chosen agent's name, or undefined to leave it to the server; the next new session begins with the default again. */
export function chosenAgent() {
  const chosen = document.querySelector("#agent-choices input:checked")?.value;
  return chosen === standard ? undefined : chosen;
}

/** Of a session that is open; null while it is not known, or has not begun. */
export function showAgent(session) {
  const name = session && session.agent !== standard ? session.agent : "";
  $("agent-badge").hidden = !name;
  $("agent-badge").textContent = name;
  if (!session) for (const input of document.querySelectorAll("#agent-choices input")) input.checked = input.value === standard;
  $("agents").hidden = agents.length < 2 || Boolean(session);
  showSigns(session?.agent ?? standard);
}

function showSigns(name) {
  const { examples } = agents.find((agent) => agent.name === name) ?? { examples: [] };
  $("signs").replaceChildren(...examples.map((example) => h("li", {}, h("button", { class: "sign", type: "button" }, example))));
}

function choice({ name, description }) {
  const input = h("input", { type: "radio", name: "agent", value: name, onchange: () => showSigns(name) });
  return h("label", { class: "agent" }, input, h("span", {}, h("strong", {}, name.replaceAll("_", " ")), h("small", {}, description)));
}
