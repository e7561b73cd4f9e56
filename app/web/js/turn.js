/** One mile of the road: what was asked, the answer to it, and what the agent asks back. */

import { Answer } from "./answer.js";
import { sent } from "./attachments.js";
import { branchSwitch } from "./branch-switch.js";
import { h, icon } from "./dom.js";
import { editor } from "./editor.js";
import { eventsOf } from "./leg.js";
import { Questions } from "./questions.js";

const LONG_CHARACTERS = 1500;
const LONG_LINES = 16;

/** `acts` hears regenerate(turn), edit(turn, text), which says whether it is done, show(runId), and answer(turn, answers). */
export class Turn {
  #acts;
  #said = h("div", { class: "said" });
  #switch = h("div", { class: "switch-place" });

  constructor({ runId = null, messageId = null, asked = null, attachments = [] }, acts) {
    this.#acts = acts;
    this.runId = runId;
    this.asked = asked;
    this.attachments = attachments;
    this.answer = null;
    this.messages = [];
    this.questions = new Questions((answers) => acts.answer(this, answers));
    this.root = h("article", { class: "turn" }, h("span", { class: "plate", "aria-hidden": "true" }), this.#said, this.questions.root);
    this.messageId = messageId;
    if (asked !== null) this.#showQuestion();
  }

  /** One of its messages in the transcript; without it, it can be neither edited nor answered again. */
  set messageId(messageId) {
    this.id = messageId;
    this.root.classList.toggle("unsaid", messageId === null);
  }

  get messageId() {
    return this.id;
  }

  /** Where a run's part of the answer is shown. */
  beginLeg() {
    if (!this.answer) {
      this.answer = new Answer(() => this.#acts.regenerate(this));
      this.questions.root.before(this.answer.root);
    }
    return this.answer.beginLeg();
  }

  /** Show a run's event, and take note of it. */
  apply(leg, event) {
    this.answer.apply(leg, event);
    if (event.type === "interrupt") this.ask([event]);
    if (event.type === "end") this.messageId = event.message_id ?? this.messageId;
  }

  ask(interrupts) {
    this.questions.ask(interrupts);
    for (const { value } of interrupts) if (value?.kind === "approval") this.answer?.askAbout(value.call_id);
    this.#showAsking();
  }

  /** The questions are answered, and a run goes on with that. */
  answered() {
    this.questions.clear();
    this.#showAsking();
  }

  /** The conversation goes on without the answers. */
  withdraw(words) {
    this.questions.close(words);
    this.answer?.withdraw();
    this.#showAsking();
  }

  /** Say what became of a question. */
  tell(words) {
    this.questions.root.append(h("p", { class: "note", role: "status" }, icon("alert"), words));
  }

  /** Show what went wrong with something that somebody wanted of this turn. */
  complain(problem, retry) {
    this.questions.complain(problem, retry);
  }

  /** The model reads a summary of it only; the look says so after the last of such turns. */
  fold() {
    if (this.root.classList.contains("summed-up")) return;
    this.root.classList.add("summed-up");
    this.root.append(h("p", { class: "sum" }, "Earlier messages are summarised for the model"));
  }

  hasAnswerOf(runId) {
    return this.messages.some(({ role, run_id }) => role === "assistant" && run_id === runId);
  }

  get isAsking() {
    return this.questions.isOpen;
  }

  /** Which of the turns in this place it is, counted from 1, and the runs of all. */
  showSiblings(runIds) {
    const go = (runId) => this.#acts.show(runId);
    this.#switch.replaceChildren(...(runIds.length > 1 ? [branchSwitch(runIds, this.runId, go)] : []));
  }

  focusSwitch() {
    this.#switch.querySelector("button:not(:disabled)")?.focus();
  }

  /** Offer `text` for another message in this place. */
  edit(text = this.asked) {
    const done = () => (this.#said.hidden = false, opened.remove());
    const send = (changed) => this.#acts.edit(this, changed) && done();
    const opened = editor(text, { send, cancel: () => (done(), this.#said.querySelector(".edit").focus()) });
    this.root.querySelector(".editor")?.remove();
    this.#said.hidden = true;
    this.#said.after(opened);
    opened.querySelector("textarea").focus();
  }

  #showAsking() {
    this.root.classList.toggle("asking", this.isAsking);
  }

  #showQuestion() {
    const edit = h("button", { type: "button", class: "quiet act edit", title: "Edit", "aria-label": "Edit this message", onclick: () => this.edit() }, icon("pencil"));
    const row = h("div", { class: "asked-acts" }, this.#switch, edit);
    this.#said.append(h("h2", { class: "unseen" }, "You asked"), h("div", { class: "asked-words" }, ...words(this.asked), sent(this.attachments)), row);
  }
}

/** Turns out of stored messages, oldest first: a user's message and all answers to it; a page may begin in the middle of one. */
export function turnsOf(messages, acts) {
  const turns = [];
  for (const message of messages) {
    if (message.role === "user") turns.push(asking(message, acts));
    else showStored(turns.at(-1) ?? turns[turns.push(new Turn({ runId: message.run_id, messageId: message.id }, acts)) - 1], message);
    turns.at(-1).messages.push(message);
    if (message.is_compacted) turns.at(-1).fold();
  }
  return turns;
}

function asking({ run_id: runId, id: messageId, content: asked, attachments }, acts) {
  return new Turn({ runId, messageId, asked, attachments }, acts);
}

function showStored(turn, message) {
  const leg = turn.beginLeg();
  for (const event of eventsOf(message)) turn.apply(leg, event);
  leg.foldSteps();
  if (message.status === "failed") leg.note(icon("alert"), "This answer failed.");
}

function words(text) {
  const shown = h("div", { class: "asked" }, text);
  if (text.length < LONG_CHARACTERS && text.split("\n", LONG_LINES).length < LONG_LINES) return [shown];
  shown.classList.add("folded");
  const unfold = h("button", { type: "button", class: "quiet unfold", "aria-expanded": "false" }, "Show all of it");
  unfold.addEventListener("click", () => {
    const folded = shown.classList.toggle("folded");
    unfold.setAttribute("aria-expanded", String(!folded));
    unfold.textContent = folded ? "Show all of it" : "Show less";
  });
  return [shown, unfold];
}
