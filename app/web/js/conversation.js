/** The messages of one session: what is stored, what is being said, and what went wrong. */

import { Problem, ask } from "./api.js";
import { chat, listen, newKey } from "./chat.js";
import { h, icon } from "./dom.js";
import { errorCard } from "./error-card.js";
import { keepPlace } from "./scroll.js";
import { Turn, turnsOf } from "./turn.js";

const PAGE_SIZE = 40;

/** `listener` hears created, turned (a run starts or ends) and answered, each with this, and refused(message) when it was not taken. */
export class Conversation {
  #listener;
  #turns = h("div", { class: "turns" });
  #earlier = h("div", { class: "earlier" });
  #lost = h("p", { class: "lost", role: "status", hidden: true }, icon("alert"), "Connection lost. Reconnecting…");
  #live = null;

  constructor(sessionId, listener) {
    this.sessionId = sessionId;
    this.#listener = listener;
    this.root = h("div", { class: "conversation" }, this.#earlier, this.#turns, this.#lost);
  }

  get isLive() {
    return this.#live !== null;
  }

  /** Load a page of what is stored, the newest or the one before `before`; throw a Problem. */
  async load(before = null) {
    const query = new URLSearchParams(before ? { limit: PAGE_SIZE, before } : { limit: PAGE_SIZE });
    const { items, next_before } = await ask("GET", `sessions/${this.sessionId}/messages?${query}`);
    const turns = turnsOf(items);
    keepPlace(this.#turns, () => this.#turns.prepend(...turns.map(({ root }) => root)));
    this.root.classList.toggle("partial", next_before !== null);
    this.#earlier.replaceChildren(...(next_before ? [this.#earlierButton(next_before)] : []));
    return turns;
  }

  /** Load the newest page, and read on at an answer that is under way; throw a Problem. */
  async open() {
    const [turns, { live_run_id: runId }] = await Promise.all([this.load(), ask("GET", `sessions/${this.sessionId}/state`)]);
    const turn = turns.find((one) => one.runId === runId && !one.answer);
    if (turn && !this.isLive) this.#follow({ turn, runId, again: () => {} }, (link) => listen(runId, link));
  }

  #earlierButton(before) {
    const load = () => this.load(before).catch((problem) => this.#earlier.replaceChildren(errorCard(problem, load)));
    return h("button", { type: "button", class: "plain", onclick: load }, "Show earlier messages");
  }

  /** Send `message` and show its answer; never throws. A `key` says that it may have been sent before. */
  async send(message, model, key = newKey()) {
    if (this.isLive) return;
    const turn = new Turn({ asked: message });
    const run = { turn, message, again: () => this.send(message, model, run.started ? newKey() : key) };
    this.#turns.append(turn.root);
    await this.#follow(run, (link) => this.#chat({ message, model, key }, link));
  }

  /** Have the run stopped where it is made; its end comes over the stream. */
  stop() {
    if (!this.#live || this.#live.run.stopping) return;
    this.#live.run.stopping = true;
    this.root.classList.add("stopping");
    const { runId } = this.#live.run;
    if (runId) ask("POST", `runs/${runId}/cancel`).catch(() => this.leave());
    else this.leave();
  }

  /** Read no further; the run goes on. */
  leave() {
    this.#live?.leaving.abort();
  }

  async *#chat(request, link) {
    if (!this.sessionId) await this.#create(link.signal);
    yield* chat(this.sessionId, request, link);
  }

  async #create(signal) {
    const session = await ask("POST", "sessions", { json: {}, signal });
    this.sessionId = session.id;
    this.#listener.created(this, session);
  }

  async #follow(run, events) {
    run.answer = run.turn.addAnswer();
    const leaving = new AbortController();
    const link = { signal: leaving.signal, lost: (isLost) => (this.#lost.hidden = !isLost) };
    this.#become({ run, leaving });
    const problem = await this.#read(run, events(link)).catch((error) => error);
    this.#lost.hidden = true;
    this.#become(null);
    if (problem?.code === "session_busy") await this.#makeWay(run);
    else if (problem) this.#show(run, problem, leaving.signal.aborted);
    if (run.started) this.#listener.answered(this);
  }

  async #read(run, events) {
    for await (const event of events) {
      run.started = true;
      if (event.type === "start") run.runId = event.run_id;
      run.answer.apply(event);
      if (event.type === "error") showError(run, event);
    }
  }

  #show(run, problem, isLeft) {
    if (problem.status === 401) this.#listener.refused(run.message ?? "");
    run.answer.apply({ type: "end", status: isLeft ? "cancelled" : "failed" });
    if (isLeft) return;
    showError(run, problem);
    if (!(problem instanceof Problem)) reportError(problem);
  }

  /** Another device is being answered here: show that, and keep what was not sent. */
  async #makeWay({ turn, message }) {
    turn.root.remove();
    this.#listener.refused(message);
    this.#turns.replaceChildren();
    await this.open().catch((problem) => this.root.append(errorCard(problem)));
  }

  #become(live) {
    this.#live = live;
    this.root.classList.toggle("live", this.isLive);
    this.root.classList.remove("stopping");
    this.#listener.turned(this);
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
