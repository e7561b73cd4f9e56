/** The messages of one session: what is stored, what is being said, and what is asked. */

import { chosenAgent } from "./agents.js";
import { Problem, ask } from "./api.js";
import { listen, newKey, start } from "./chat.js";
import { h } from "./dom.js";
import { errorCard } from "./error-card.js";
import { LiveRun } from "./live-run.js";
import { chosenModel } from "./models.js";
import { News } from "./news.js";
import { Road } from "./road.js";
import { Turn, turnsOf } from "./turn.js";

const PAGE_SIZE = 40;
const LOOKS = 3;
const WITHDRAWN = "Withdrawn: the conversation went on without an answer.";
const GONE = {
  interrupt_expired: "It is too late to answer: the agent goes on without an answer.",
  interrupt_not_found: "This question was answered elsewhere, or is not asked any more. This is what became of it.",
};

/** `listener` hears created, turned (a run starts, is being stopped, or ends) and answered, each with this, and refused(message, attachments). */
export class Conversation {
  #listener;
  #road = new Road();
  #news = new News();
  #earlier = h("div", { class: "earlier" });
  #trouble = h("div");
  #branches = [];
  #live = null;

  /** Without an id it begins with its first message, and is then temporary or not. */
  constructor(sessionId, listener, isTemporary = false) {
    this.sessionId = sessionId;
    this.isTemporary = isTemporary;
    this.session = null;
    this.#listener = listener;
    this.root = h("div", { class: "conversation" }, this.#earlier, this.#road.root, this.#trouble, this.#news.root);
  }

  get isLive() {
    return this.#live !== null;
  }

  get isStopping() {
    return this.#live?.isStopping ?? false;
  }

  get isAsking() {
    return this.#road.last?.isAsking ?? false;
  }

  /** Show the newest messages, and what goes on: an answer under way, or questions; throw a Problem. */
  async open(looks = LOOKS) {
    const { live_run_id: runId, interrupts } = await ask("GET", this.#path("state"));
    const [page, branches] = await Promise.all([this.#page(), ask("GET", this.#path("branches"))]);
    if (looks > 1 && isBehind(page.items, runId)) return this.open(looks - 1);
    if (this.isLive) return;
    this.#trouble.replaceChildren();
    this.#branches = branches;
    this.#road.replace(turnsOf(page.items, this.#acts));
    this.#showAround(page);
    this.#goOn(runId, interrupts);
  }

  /** Send `message` and show its answer; never throws. */
  async send(message, attachments = []) {
    const ids = attachments.length > 0 ? attachments.map(({ id }) => id) : undefined;
    await this.#say({ path: "chat/stream", json: { message, attachments: ids, model: chosenModel() }, message, attachments, key: newKey() });
  }

  /** Have the run stopped where it is made; its end comes over the stream. */
  stop() {
    this.#live?.stop();
  }

  /** Read no further; the run goes on. */
  leave() {
    this.#live?.leave();
  }

  #path(rest) {
    return `sessions/${this.sessionId}/${rest}`;
  }

  #page(before = null) {
    const query = new URLSearchParams(before ? { limit: PAGE_SIZE, before } : { limit: PAGE_SIZE });
    return ask("GET", this.#path(`messages?${query}`));
  }

  // A page may begin in the middle of a turn; with the one before it that turn is whole.
  async #showEarlier(before) {
    const page = await this.#page(before);
    const { first, last } = this.#road;
    const headless = first.asked === null && first !== last ? first : null;
    this.#road.prepend(turnsOf([...page.items, ...(headless?.messages ?? [])], this.#acts), headless);
    this.#road.settle(last);
    this.#showAround(page);
  }

  #showAround({ next_before }) {
    this.#road.showBranches(this.#branches);
    this.root.classList.toggle("partial", next_before !== null);
    this.#earlier.replaceChildren(...(next_before ? [this.#earlierButton(next_before)] : []));
  }

  #earlierButton(before) {
    const load = () => this.#showEarlier(before).catch((problem) => this.#earlier.replaceChildren(errorCard(problem, load)));
    return h("button", { type: "button", class: "plain", onclick: load }, "Show earlier messages");
  }

  /** Read on at the run that has the turn, or show what is asked. */
  #goOn(runId, interrupts) {
    const { last } = this.#road;
    if (runId && last && !last.hasAnswerOf(runId)) {
      const run = new LiveRun(last, { ...this.#hears, retry: () => this.#regenerate(last) }, runId);
      this.#follow(run, (link) => listen(runId, link));
    } else if (interrupts.length > 0) last?.ask(interrupts);
    this.#road.settle(this.#live?.turn);
  }

  #hears = {
    begun: () => {},
    changed: () => this.#showLive(),
  };

  #acts = {
    regenerate: (turn) => this.#regenerate(turn),
    edit: (turn, message) => this.#edit(turn, message),
    show: (runId) => this.#showBranch(runId),
    answer: (turn, answers) => this.#answer(turn, answers),
  };

  #regenerate(turn) {
    const json = { message_id: turn.messageId ?? undefined, model: chosenModel() };
    return this.#say({ path: "regenerate/stream", json, message: turn.asked, attachments: turn.attachments, instead: turn, key: newKey() });
  }

  /** Say something else in a turn's place; whether it can be tried now. */
  #edit(turn, message) {
    if (this.isLive) return false;
    const json = { message, instead_of: turn.messageId, model: chosenModel() };
    this.#say({ path: "chat/stream", json, message, attachments: turn.attachments, instead: turn, isEdited: true, key: newKey() });
    return true;
  }

  /** Start the run of a wish, in a turn of its own, which takes the place of `instead` and of all that follows that. */
  async #say(wish) {
    if (this.isLive) return;
    const before = this.#road.last;
    const replaced = wish.instead ? this.#road.cut(wish.instead) : [];
    const turn = new Turn({ asked: wish.message, attachments: wish.attachments }, this.#acts);
    this.#road.append(turn);
    const begun = (runId) => {
      turn.runId = runId;
      if (wish.instead) this.#loadBranches();
      else if (before?.isAsking) before.withdraw(WITHDRAWN);
    };
    const retry = () => (run.isTaken ? this.#regenerate(turn) : (this.#road.cut(turn), this.#say(wish)));
    const run = new LiveRun(turn, { ...this.#hears, begun, retry });
    const problem = await this.#follow(run, (link) => this.#start(wish, link));
    if (problem && !run.isTaken) await this.#notTaken(wish, run, replaced, problem);
  }

  async *#start({ path, json, key }, link) {
    if (!this.sessionId) await this.#create(link.signal);
    yield* start(this.#path(path), json, key, link);
  }

  async #create(signal) {
    const session = await ask("POST", "sessions", { json: { temporary: this.isTemporary, agent: chosenAgent() }, signal });
    this.sessionId = session.id;
    this.session = session;
    this.#listener.created(this, session);
  }

  /** Nothing has happened on the server: what stood here before stands here again, and nothing that was written is lost. */
  async #notTaken(wish, run, replaced, problem) {
    const isWritten = !wish.instead || wish.isEdited;
    if (isWritten && [401, 409].includes(problem.status)) this.#listener.refused(wish.message, wish.attachments);
    if (run.isLeft) return;
    if (problem.code === "session_busy") return this.#reopen();
    if (!wish.instead) return run.fail(problem);
    this.#road.cut(run.turn);
    this.#road.append(...replaced);
    if (wish.isEdited) wish.instead.edit(wish.message);
    wish.instead.complain(problem, problem.retryable ? () => this.#say(wish) : null);
  }

  /** Answer all that a turn asks, and show how the agent goes on; the same `key` says that it may have been sent before. */
  async #answer(turn, answers, key = newKey()) {
    if (this.isLive) return;
    const run = new LiveRun(turn, { ...this.#hears, begun: () => turn.answered(), retry: () => this.#regenerate(turn) });
    const problem = await this.#follow(run, (link) => start(this.#path("resume/stream"), { answers }, key, link));
    if (!problem || run.isTaken || run.isLeft) return;
    turn.answer.drop(run.leg);
    if (problem.code === "session_busy" || GONE[problem.code]) {
      await this.#reopen();
      if (GONE[problem.code]) this.#road.last?.tell(GONE[problem.code]);
    } else turn.questions.complain(problem, problem.retryable ? () => this.#answer(turn, answers, key) : null);
  }

  /** Have the conversation go through another of the turns in one place. */
  async #showBranch(runId) {
    if (this.isLive) return;
    this.root.inert = true;
    const problem = await ask("PUT", this.#path("branch"), { json: { run_id: runId } }).catch((error) => error);
    this.root.inert = false;
    if (problem && problem.code !== "session_busy") return this.#trouble.replaceChildren(errorCard(problem));
    await this.#reopen();
    this.#road.find(runId)?.focusSwitch();
  }

  // Without them the switch between branches is merely late: it comes when the session is opened again.
  async #loadBranches() {
    this.#branches = await ask("GET", this.#path("branches")).catch(() => this.#branches);
    this.#road.showBranches(this.#branches);
  }

  async #reopen() {
    await this.open().catch((problem) => this.#trouble.replaceChildren(errorCard(problem, problem.retryable ? () => this.#reopen() : null)));
  }

  /** Read a run to its end; resolve to what kept us from it, or null. */
  async #follow(run, events) {
    this.#live = run;
    this.#showLive();
    const problem = await run.read(events);
    this.#live = null;
    this.#showLive();
    if (problem && !run.isLeft && run.isTaken) run.fail(problem);
    if (problem && !run.isLeft && !(problem instanceof Problem)) reportError(problem);
    if (run.isTaken) this.#listener.answered(this);
    return problem;
  }

  #showLive() {
    this.root.classList.toggle("live", this.isLive);
    this.root.classList.toggle("stopping", this.isStopping);
    this.#news.show(this.#live);
    if (this.#road.last) this.#road.last.questions.isBusy = this.isLive;
    this.#listener.turned(this);
  }
}

/** Whether something has happened since the state was read, so that the messages tell more than it: a run began, or it ended. */
function isBehind(messages, liveRunId) {
  const last = messages.at(-1);
  if (!last) return false;
  if (!liveRunId) return last.role === "user";
  return last.role === "user" ? last.run_id !== liveRunId : last.status !== "interrupted" || last.run_id === liveRunId;
}
