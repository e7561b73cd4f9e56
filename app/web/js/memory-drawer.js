/** The drawer of memories: what is remembered, and whether anything is, of the user and in the open session. */

import { ask } from "./api.js";
import { $ } from "./dom.js";
import { errorCard } from "./error-card.js";
import { MemoryList } from "./memory-list.js";

/** `listener` hears changed(session). */
export class MemoryDrawer {
  #list = new MemoryList((sentence) => this.#say(sentence));
  #session = null;

  constructor({ changed }) {
    $("open-memories").addEventListener("click", () => this.#open());
    $("close-memories").addEventListener("click", () => $("memories").close());
    // A click beside the drawer is one on the dialog itself, whose padding is none.
    $("memories").addEventListener("click", (event) => event.target === $("memories") && $("memories").close());
    onSwitch($("remembers"), async (remembers) => this.#showUser(await ask("PATCH", "auth/me", { json: { remembers } })));
    onSwitch($("session-remembers"), async (remembers) => changed(await ask("PATCH", `sessions/${this.#session.id}`, { json: { remembers } })));
  }

  /** Whose memories they are. */
  set user(user) {
    this.#showUser(user);
  }

  /** The session that is open, or null while there is none. */
  set session(session) {
    this.#session = session;
    $("session-switch").hidden = session === null || session.temporary;
    $("session-remembers").checked = session?.remembers ?? false;
  }

  /** Leave nothing of the user in it. */
  clear() {
    if ($("memories").open) $("memories").close();
    this.#list.clear();
    this.#say("");
  }

  #open() {
    this.#say("");
    $("switch-problem").replaceChildren();
    $("memories").showModal();
    this.#list.load();
  }

  #showUser({ remembers }) {
    $("remembers").checked = remembers;
    $("session-remembers").disabled = !remembers;
  }

  #say(sentence) {
    $("memories-said").textContent = sentence;
  }
}

/** Tell the server how a switch was set; it goes back when the server does not take it. */
function onSwitch(input, save) {
  input.addEventListener("change", async () => {
    const { checked } = input;
    try {
      await save(checked);
      $("switch-problem").replaceChildren();
    } catch (problem) {
      input.checked = !checked;
      $("switch-problem").replaceChildren(errorCard(problem));
    }
  });
}
