/** How a temporary session is opened, told from others, and ended. */

import { ask } from "./api.js";
import { confirmed } from "./dialog.js";
import { $ } from "./dom.js";

export const TEMPORARY = "#/temporary";

export class TemporaryMark {
  #session = null;

  /** `listener` hears opened() when somebody wants a temporary session, deleted(session) when they end it, and failed(problem). */
  constructor(listener) {
    this.listener = listener;
    $("new-temporary").addEventListener("click", () => listener.opened());
    $("end-temporary").addEventListener("click", () => this.#end());
  }

  /** Of a session that is open; null while it is not known, or has not begun and is to be temporary or not. */
  show(session, isTemporary = session?.temporary ?? false) {
    this.#session = session;
    $("road").classList.toggle("temporary", isTemporary);
    $("temporary").hidden = !isTemporary;
    $("end-temporary").hidden = session === null;
    $("temporary-words").textContent = session?.ends_at ? `Temporary: deleted ${momentOf(session.ends_at)} unless you write on` : "Temporary";
  }

  async #end() {
    const session = this.#session;
    const text = "It goes with all its messages, and nothing of it is remembered.";
    if (!(await confirmed({ title: "End this temporary session?", text, yes: "End it" }))) return;
    try {
      await ask("DELETE", `sessions/${session.id}`);
      this.listener.deleted(session);
    } catch (problem) {
      this.listener.failed(problem);
    }
  }
}

function momentOf(moment) {
  const date = new Date(moment);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === new Date().toDateString()) return `at ${time}`;
  return `on ${date.toLocaleDateString([], { day: "numeric", month: "short" })} at ${time}`;
}
