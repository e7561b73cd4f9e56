/** What went wrong, in the server's words, and a way on where there is one. */

import { h, icon } from "./dom.js";
import { momentInWords } from "./waiting.js";

// Asked again before the moment that they name, these refuse again.
const UNTIL = { quota_exceeded: "Your quota is back", rate_limited: "You can go on" };
// Beyond it a browser's timers go off at once.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** `retry` is called once, and the card goes; without it there is no button. What must wait has its button when that is over. */
export function errorCard(problem, retry = null) {
  const { detail, code, requestId = null, errors = [] } = problem;
  const card = h("div", { class: "error-card", role: "alert" }, icon("alert"), h("p", {}, detail));
  for (const { field, message } of errors) card.append(h("p", { class: "error-field" }, `${field}: ${message}`));
  const moment = UNTIL[code] && endOf(problem);
  if (moment) card.append(h("p", { class: "error-until" }, `${UNTIL[code]} ${momentInWords(moment)}.`));
  card.append(h("p", { class: "error-code" }, requestId ? `${code} · request ${requestId}` : code));
  if (retry) offer(card, retry, moment ? moment - Date.now() : 0);
  return card;
}

function endOf({ resetsAt, retryAfter }) {
  if (resetsAt) return new Date(resetsAt);
  return retryAfter ? new Date(Date.now() + retryAfter * 1000) : null;
}

function offer(card, retry, milliseconds) {
  const button = h("button", { type: "button", class: "plain", onclick: () => (card.remove(), retry()) }, icon("retry"), "Retry");
  if (milliseconds <= 0) card.append(button);
  else if (milliseconds <= LONGEST_TIMER_MS) setTimeout(() => card.append(button), milliseconds);
}
