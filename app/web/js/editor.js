/** A message that is said again in other words, written where it stands. */

import { h } from "./dom.js";

/** `send` hears the text, `cancel` that nothing changes; Enter sends, Escape cancels. */
export function editor(text, { send, cancel }) {
  const input = h("textarea", { rows: "1", dir: "auto", "aria-label": "Edited message" });
  const submit = h("button", { type: "submit", class: "main" }, "Send");
  const form = h("form", { class: "editor" }, input, h("div", { class: "editor-foot" }, h("button", { type: "button", class: "plain", onclick: cancel }, "Cancel"), submit));
  input.value = text;
  input.addEventListener("input", () => (submit.disabled = input.value.trim() === ""));
  input.addEventListener("keydown", (event) => pressed(event, form, cancel));
  form.addEventListener("submit", (event) => (event.preventDefault(), send(input.value)));
  return form;
}

// An Escape that closes the editor must not stop an answer as well.
function pressed(event, form, cancel) {
  const isSend = event.key === "Enter" && !event.shiftKey && !event.isComposing;
  if (!isSend && event.key !== "Escape") return;
  event.preventDefault();
  if (isSend) form.requestSubmit();
  else cancel();
}
