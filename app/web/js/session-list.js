/** The side list: newest first, searched and paged by the server. */

import { ask } from "./api.js";
import { $, h } from "./dom.js";
import { errorCard } from "./error-card.js";
import { SessionItem } from "./session-item.js";

const PAGE_SIZE = 30;
const TYPING_PAUSE_MS = 250;

/** `listener` hears renamed(session) and deleted(session). */
export class SessionList {
  #items = new Map();
  #cursor = null;
  #currentId = null;
  #asked = 0;

  constructor({ renamed, deleted }) {
    this.listener = {
      renamed: (session) => (this.update(session), renamed(session)),
      deleted: (session) => (this.#remove(session), deleted(session)),
      failed: (problem) => this.#showProblem(problem),
    };
    let typing;
    $("search").addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.load(), TYPING_PAUSE_MS);
    });
    $("more-sessions").addEventListener("click", () => this.load(this.#cursor));
  }

  /** Show the first page, or add the one at `cursor`; an answer overtaken by a later question is dropped. */
  async load(cursor = null) {
    const question = ++this.#asked;
    const query = new URLSearchParams({ limit: PAGE_SIZE, ...(cursor && { cursor }), ...(this.#sought && { q: this.#sought }) });
    try {
      const page = await ask("GET", `sessions?${query}`);
      if (question === this.#asked) this.#showPage(page, cursor !== null);
    } catch (problem) {
      if (question === this.#asked) this.#showProblem(problem, () => this.load(cursor));
    }
  }

  add(session) {
    $("sessions").prepend(this.#item(session).root);
    this.#showEmptiness();
  }

  update(session) {
    this.#items.get(session.id)?.show(session);
  }

  clear() {
    this.#asked++;
    $("search").value = "";
    this.#showPage({ items: [], next_cursor: null }, false);
  }

  mark(sessionId) {
    this.#currentId = sessionId;
    for (const [id, item] of this.#items) item.isCurrent = id === sessionId;
  }

  get #sought() {
    return $("search").value.trim();
  }

  #showPage({ items, next_cursor }, isFurther) {
    if (!isFurther) this.#items.clear();
    const fresh = items.filter(({ id }) => !this.#items.has(id)).map((session) => this.#item(session).root);
    if (isFurther) $("sessions").append(...fresh);
    else $("sessions").replaceChildren(...fresh);
    this.#cursor = next_cursor;
    $("more-sessions").hidden = next_cursor === null;
    $("sessions-problem").replaceChildren();
    this.#showEmptiness();
  }

  #item(session) {
    const item = new SessionItem(session, this.listener);
    item.isCurrent = session.id === this.#currentId;
    this.#items.set(session.id, item);
    return item;
  }

  #remove({ id }) {
    this.#items.get(id)?.root.remove();
    this.#items.delete(id);
    this.#showEmptiness();
  }

  #showProblem(problem, retry = null) {
    $("sessions-problem").replaceChildren(errorCard(problem, retry));
  }

  #showEmptiness() {
    const words = this.#sought ? "No session has this in its name." : "Your sessions will stand here.";
    $("sessions-empty").replaceChildren(...(this.#items.size === 0 ? [h("p", {}, words)] : []));
  }
}
