/** A session gets its name from a model soon after its first answer: look for it a few times. */

import { ask } from "./api.js";

const PAUSES_MS = [1000, 2000, 4000, 8000];

export class NameWatch {
  #watched = new Set();
  #leaving = new AbortController();

  /** `found` hears the session each time it was read. */
  constructor(found) {
    this.found = found;
  }

  async watch({ id, name_is_final }) {
    if (name_is_final || this.#watched.has(id)) return;
    this.#watched.add(id);
    await this.#look(id, this.#leaving.signal);
    this.#watched.delete(id);
  }

  /** Look for nothing any more. */
  clear() {
    this.#leaving.abort();
    this.#leaving = new AbortController();
  }

  // Without its new name a session is merely named late, so what goes wrong here is no matter.
  async #look(id, signal) {
    for (const pause of PAUSES_MS) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      const session = signal.aborted ? null : await ask("GET", `sessions/${id}`, { signal }).catch(() => null);
      if (signal.aborted) return;
      if (session) this.found(session);
      if (session?.name_is_final) return;
    }
  }
}
