/** What went wrong, in the server's words, and a way on where there is one. */

import { h, icon } from "./dom.js";

/** `retry` is called once, and the card goes; without it there is no button. */
export function errorCard({ detail, code, requestId = null, errors = [] }, retry = null) {
  const card = h("div", { class: "error-card", role: "alert" }, icon("alert"), h("p", {}, detail));
  for (const { field, message } of errors) card.append(h("p", { class: "error-field" }, `${field}: ${message}`));
  card.append(h("p", { class: "error-code" }, requestId ? `${code} · request ${requestId}` : code));
  if (retry) card.append(h("button", { type: "button", class: "plain", onclick: () => (card.remove(), retry()) }, icon("retry"), "Retry"));
  return card;
}
