/** Which model answers: a picker when there is a choice, and a badge when it is only the demo. */

import { ask } from "./api.js";
import { $, h } from "./dom.js";

const KEY = "milepost.model";

let models = [];

export async function loadModels() {
  const { items, default: standard } = await ask("GET", "models");
  models = items;
  const picker = $("model");
  picker.replaceChildren(...items.map(({ name }) => h("option", { value: name }, name)));
  const remembered = localStorage.getItem(KEY);
  picker.value = items.some(({ name }) => name === remembered) ? remembered : standard;
  picker.onchange = () => (localStorage.setItem(KEY, picker.value), showModel());
  showModel();
}

/** The chosen model's name, or undefined to leave it to the server. */
export function chosenModel() {
  const chosen = current();
  return chosen && !chosen.is_default ? chosen.name : undefined;
}

function showModel() {
  $("model-choice").hidden = models.length < 2;
  $("demo-badge").hidden = !current()?.is_demo;
}

function current() {
  return models.find(({ name }) => name === $("model").value);
}
