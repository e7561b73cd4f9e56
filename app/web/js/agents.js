/** Which agent a new session is held with, and a badge that says whose session is open. */

import { ask } from "./api.js";
import { $, h } from "./dom.js";

let agents = [];
let standard = "assistant";

export async function loadAgents() {
  ({ items: agents, default: standard } = await ask("GET", "agents"));
  $("agents").hidden = agents.length < 2;
  $("agent-choices").replaceChildren(...agents.map(choice));
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
}

function choice({ name, description, is_default }) {
  const input = h("input", { type: "radio", name: "agent", value: name, checked: is_default });
  return h("label", { class: "agent" }, input, h("span", {}, h("strong", {}, name.replaceAll("_", " ")), h("small", {}, description)));
}
