/** The turns that are shown, in order. */

import { h } from "./dom.js";
import { keepPlace } from "./scroll.js";

export class Road {
  #turns = [];
  root = h("div", { class: "turns" });

  get first() {
    return this.#turns[0];
  }

  get last() {
    return this.#turns.at(-1);
  }

  replace(turns) {
    this.#turns = turns;
    this.root.replaceChildren(...roots(turns));
  }

  append(...turns) {
    this.#turns.push(...turns);
    this.root.append(...roots(turns));
  }

  /** Add earlier turns without moving what is in view; one of them may stand for the one that came first. */
  prepend(turns, first = null) {
    if (first) this.#turns.shift();
    this.#turns.unshift(...turns);
    keepPlace(this.root, () => {
      first?.root.remove();
      this.root.prepend(...roots(turns));
    });
  }

  /** Say of calls that wait for nobody that they were not made; `live` is a turn that goes on. */
  settle(live = null) {
    for (const turn of this.#turns) if (turn !== live && !turn.isAsking) turn.answer?.withdraw();
  }

  /** Take away this turn and all that follow it; return them. */
  cut(turn) {
    const place = this.#turns.indexOf(turn);
    const gone = place < 0 ? [] : this.#turns.splice(place);
    for (const { root } of gone) root.remove();
    return gone;
  }

  find(runId) {
    return this.#turns.find((turn) => turn.runId === runId);
  }

  /** Show where turns have others in their place, out of the server's list of those. */
  showBranches(branches) {
    for (const turn of this.#turns) {
      const own = branches.find(({ run_id }) => run_id === turn.runId);
      turn.showSiblings(own ? branches.filter(({ parent_id }) => parent_id === own.parent_id).map(({ run_id }) => run_id) : []);
    }
  }
}

const roots = (turns) => turns.map(({ root }) => root);
