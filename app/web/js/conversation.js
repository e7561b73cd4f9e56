/** The messages of one session: what is stored, what is being said, and what went wrong. */

import { Problem, ask } from "./api.js";
import { chat } from "./chat.js";
import { h } from "./dom.js";
import { errorCard } from "./error-card.js";
import { keepPlace } from "./scroll.js";
import { Turn, turnsOf } from "./turn.js";

const PAGE_SIZE = 40;

/** `listener` hears created, turned (a run starts or ends) and answered, each with this, and refused(message) when logged out. */
export class Conversation {
  #listener;
  #turns = h("div", { class: "turns" });
  #earlier = h("div", { class: "earlier" });
  #stopper = null;

  constructor(sessionId, listener) {
    this.sessionId = sessionId;
    this.#listener = listener;
    this.root = h("div", { class: "conversation" }, this.#earlier, this.#turns);
  }

  get isLive() {
    return this.#stopper !== null;
  }

  /** Load a page of what is stored, the newest or the one before `before`; throw a Problem. */
  async load(before = null) {
    const query = new URLSearchParams(before ? { limit: PAGE_SIZE, before } : { limit: PAGE_SIZE });
    const { items, next_before } = await ask("GET", `sessions/${this.sessionId}/messages?${query}`);
    keepPlace(this.#turns, () => this.#turns.prepend(...turnsOf(items).map(({ root }) => root)));
    this.root.classList.toggle("partial", next_before !== null);
    this.#earlier.replaceChildren(...(next_before ? [this.#earlierButton(next_before)] : []));
  }

  #earlierButton(before) {
    const load = () => this.load(before).catch((problem) => this.#earlier.replaceChildren(errorCard(problem, load)));
    return h("button", { type: "button", class: "plain", onclick: load }, "Show earlier messages");
  }

  /** Send `message` and show its answer; never throws. */
  async send(message, model) {
    if (this.isLive) return;
    const turn = new Turn({ asked: message });
    const answer = turn.addAnswer();
    const run = { turn, answer, started: false, again: () => this.send(message, model) };
    this.#turns.append(turn.root);
    this.#become(new AbortController());
    await this.#follow(run, { message, model }, this.#stopper.signal);
    this.#become(null);
    if (run.started) this.#listener.answered(this);
  }

  /** Hanging up stops the run. */
  stop() {
    this.#stopper?.abort();
  }

  #become(stopper) {
    this.#stopper = stopper;
    this.root.classList.toggle("live", this.isLive);
    this.#listener.turned(this);
  }

  async #follow(run, request, signal) {
    try {
      if (!this.sessionId) await this.#create(signal);
      for await (const event of chat(this.sessionId, request, signal)) {
        run.started = true;
        run.answer.apply(event);
        if (event.type === "error") showError(run, event);
      }
    } catch (problem) {
      if (problem.status === 401) this.#listener.refused(request.message);
      run.answer.apply({ type: "end", status: signal.aborted ? "cancelled" : "failed" });
      if (signal.aborted) return;
      showError(run, problem);
      if (!(problem instanceof Problem)) reportError(problem);
    }
  }

  async #create(signal) {
    const session = await ask("POST", "sessions", { json: {}, signal });
    this.sessionId = session.id;
    this.#listener.created(this, session);
  }
}

/** Retrying a message that the server never took takes its place; otherwise it is a new turn. */
function showError({ turn, answer, started, again }, problem) {
  const retry = () => {
    if (!started) turn.root.remove();
    again();
  };
  answer.parts.notes.prepend(errorCard(problem, problem.retryable ? retry : null));
}
