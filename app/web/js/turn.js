/** One mile of the road: what was asked, and the answer to it. */

import { Answer, eventsOf } from "./answer.js";
import { h, icon } from "./dom.js";

const LONG_CHARACTERS = 1500;
const LONG_LINES = 16;

export class Turn {
  constructor({ runId = null, asked = null }) {
    this.runId = runId;
    this.answer = null;
    this.root = h("article", { class: "turn" }, h("span", { class: "plate", "aria-hidden": "true" }));
    if (asked !== null) this.root.append(...question(asked));
  }

  addAnswer() {
    this.answer = new Answer();
    this.root.append(this.answer.root);
    return this.answer;
  }
}

/** Turns out of stored messages, oldest first; a message without its partner stands alone. */
export function turnsOf(messages) {
  const turns = [];
  for (const message of messages) {
    const last = turns.at(-1);
    if (message.role === "user") turns.push(new Turn({ runId: message.run_id, asked: message.content }));
    else if (last?.runId === message.run_id && !last.answer) showStored(last, message);
    else turns.push(showStored(new Turn({ runId: message.run_id }), message));
  }
  return turns;
}

function showStored(turn, message) {
  const answer = turn.addAnswer();
  for (const event of eventsOf(message)) answer.apply(event);
  if (message.status === "failed") answer.note(icon("alert"), "This answer failed.");
  return turn;
}

function question(text) {
  const words = h("div", { class: "asked" }, text);
  const heading = h("h2", { class: "unseen" }, "You asked");
  if (text.length < LONG_CHARACTERS && text.split("\n", LONG_LINES).length < LONG_LINES) return [heading, words];
  words.classList.add("folded");
  const unfold = h("button", { type: "button", class: "quiet unfold", "aria-expanded": "false" }, "Show all of it");
  unfold.addEventListener("click", () => {
    const folded = words.classList.toggle("folded");
    unfold.setAttribute("aria-expanded", String(!folded));
    unfold.textContent = folded ? "Show all of it" : "Show less";
  });
  return [heading, words, unfold];
}
