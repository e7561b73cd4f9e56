/** All that the agent asks at once; the answers go out together when the last one is decided, for a run goes on with them. */

import { h } from "./dom.js";
import { errorCard } from "./error-card.js";
import { QuestionCard } from "./question-card.js";

const HINT = "Or write a message instead: the question is withdrawn then.";

export class Questions {
  #cards = [];
  #list = h("div", { class: "question-list" });
  #problem = h("div");
  #hint = h("p", { class: "question-hint", hidden: true }, HINT);

  /** `onanswered` hears [{interrupt_id, value}, …], once for all. */
  constructor(onanswered) {
    this.onanswered = onanswered;
    this.root = h("div", { class: "questions", "aria-live": "polite" }, this.#list, this.#problem, this.#hint);
  }

  get isOpen() {
    return this.#open.length > 0;
  }

  ask(interrupts) {
    for (const question of interrupts) {
      if (this.#open.some(({ id }) => id === question.id)) continue;
      const card = new QuestionCard(question, () => this.#decided());
      this.#cards.push(card);
      this.#list.append(card.root);
    }
    this.#show();
  }

  /** While answers are on their way, or the session says something else. */
  set isBusy(isBusy) {
    for (const card of this.#cards) card.isBusy = isBusy;
  }

  /** A run goes on with the answers: its own events tell the rest. */
  clear() {
    this.#cards = [];
    this.#list.replaceChildren();
    this.#show();
  }

  /** None of these can be answered any more, and the words say why. */
  close(words) {
    for (const card of this.#open) card.close(words);
    this.#show();
  }

  /** Show what went wrong. */
  complain(problem, retry = null) {
    this.#problem.replaceChildren(errorCard(problem, retry));
  }

  get #open() {
    return this.#cards.filter(({ isClosed }) => !isClosed);
  }

  get #undecided() {
    return this.#open.filter(({ answer }) => answer === undefined);
  }

  #decided() {
    this.#problem.replaceChildren();
    const left = this.#undecided.length;
    for (const card of this.#open) card.say(card.answer === undefined || left === 0 ? "" : waitingWords(left));
    if (left === 0) this.onanswered(this.#open.map(({ id, answer }) => ({ interrupt_id: id, value: answer })));
  }

  #show() {
    this.#problem.replaceChildren();
    this.#hint.hidden = !this.isOpen;
  }
}

const waitingWords = (left) => `Not sent yet: ${left === 1 ? "one more question waits" : `${left} more questions wait`} for your answer.`;
