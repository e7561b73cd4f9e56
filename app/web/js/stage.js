/** Which session is open: the address says it, and a conversation that is being answered stays alive behind another. */

import { ask } from "./api.js";
import { Conversation } from "./conversation.js";
import { $ } from "./dom.js";
import { errorCard } from "./error-card.js";
import { addressOf } from "./session-item.js";
import { TEMPORARY } from "./temporary.js";

/** `listener` hears what a conversation tells, and opened(conversation) and found(session). */
export class Stage {
  #listener;
  #live = new Set();
  current = null;

  constructor(listener) {
    const turned = (conversation) => (this.#keepLive(conversation), listener.turned(conversation));
    const created = (conversation, session) => (this.#address(conversation, session), listener.created(conversation, session));
    this.#listener = { ...listener, turned, created };
  }

  /** Open what the address names; without a name, a session that begins with its first message. */
  async open() {
    const id = /^#\/session\/([\w-]+)$/.exec(location.hash)?.[1] ?? null;
    const isTemporary = location.hash === TEMPORARY;
    const live = [...this.#live].find((conversation) => conversation.sessionId === id && (id || conversation.isTemporary === isTemporary));
    this.current = live ?? new Conversation(id, this.#listener, isTemporary);
    $("transcript").replaceChildren(this.current.root);
    this.#listener.opened(this.current);
    if (id && !live) await this.#load(this.current);
  }

  close() {
    for (const conversation of this.#live) conversation.leave();
    this.current = null;
    $("transcript").replaceChildren();
  }

  async #load(conversation) {
    conversation.root.classList.add("loading");
    try {
      const [session] = await Promise.all([ask("GET", `sessions/${conversation.sessionId}`), conversation.open()]);
      conversation.session = session;
      if (this.current === conversation) this.#listener.found(session);
    } catch (problem) {
      conversation.root.append(errorCard(problem, problem.retryable ? () => this.open() : null));
    }
    conversation.root.classList.remove("loading");
  }

  #keepLive(conversation) {
    if (conversation.isLive) this.#live.add(conversation);
    else this.#live.delete(conversation);
  }

  #address(conversation, session) {
    if (this.current === conversation) history.pushState(null, "", addressOf(session));
  }
}
