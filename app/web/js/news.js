/** What there is to say of the run that is being read, in a line that stays in view. */

import { h, icon } from "./dom.js";

export class News {
  #lines = {
    lost: line("alert", "Connection lost. Reconnecting…"),
    stopping: line("stop", "Stopping…"),
    unstopped: line("alert", "The answer could not be stopped and goes on. Try again."),
  };

  constructor() {
    this.root = h("div", { class: "news" }, ...Object.values(this.#lines));
    this.show(null);
  }

  /** Of a LiveRun, or null when nothing is being read. */
  show(run) {
    this.#lines.lost.hidden = !run?.isLost;
    this.#lines.stopping.hidden = !run?.isStopping;
    this.#lines.unstopped.hidden = !run?.stopProblem;
  }
}

function line(iconName, words) {
  return h("p", { class: "news-line", role: "status" }, icon(iconName), words);
}
