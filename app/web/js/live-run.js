/** A run that is being read: its events go to its turn, and it can be stopped. */

import { ask } from "./api.js";
import { errorCard } from "./error-card.js";

export class LiveRun {
  #leaving = new AbortController();
  #listener;

  /** `listener` hears begun(runId), changed() when there is news of the connection or the stop, and retry() when somebody wants that. */
  constructor(turn, listener, runId = null) {
    this.turn = turn;
    this.leg = turn.beginLeg();
    this.#listener = listener;
    this.runId = runId;
    this.isLost = false;
    this.isStopping = false;
    this.stopProblem = null;
  }

  /** The server has taken it: from here on it goes on without us. */
  get isTaken() {
    return this.runId !== null;
  }

  get isLeft() {
    return this.#leaving.signal.aborted;
  }

  /** Show all of `events(link)`; resolve to what kept us from reading them to the end, or null. */
  async read(events) {
    const link = { signal: this.#leaving.signal, lost: (isLost) => this.#change({ isLost }), begun: (runId) => this.#begin(runId) };
    try {
      for await (const event of events(link)) this.#show(event);
      return null;
    } catch (problem) {
      return problem;
    }
  }

  /** Have the run stopped where it is made, now or as soon as it is known; its end comes over the stream. */
  stop() {
    if (this.isStopping) return;
    this.#change({ isStopping: true, stopProblem: null });
    if (this.isTaken) this.#cancel();
  }

  /** Read no further; the run goes on. */
  leave() {
    this.#leaving.abort();
  }

  #begin(runId) {
    if (this.isTaken) return;
    this.runId = runId;
    this.#listener.begun(runId);
    if (this.isStopping) this.#cancel();
  }

  async #cancel() {
    try {
      await ask("POST", `runs/${this.runId}/cancel`);
    } catch (problem) {
      this.#change({ isStopping: false, stopProblem: problem });
    }
  }

  #show(event) {
    this.turn.apply(this.leg, event);
    if (event.type === "error") this.complain({ ...event, retryAfter: event.retry_after });
  }

  /** It ended without an `end` that we know of. */
  fail(problem) {
    this.turn.apply(this.leg, { type: "end", status: "failed" });
    this.complain(problem);
  }

  /** Show what went wrong under what was said. */
  complain(problem) {
    this.leg.parts.notes.prepend(errorCard(problem, problem.retryable ? this.#listener.retry : null));
  }

  #change(news) {
    Object.assign(this, news);
    this.#listener.changed();
  }
}
