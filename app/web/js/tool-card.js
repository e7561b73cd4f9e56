/** One tool call: folded to a line, open it shows what went in and what came out. */

import { h, icon } from "./dom.js";

const WORDS = { running: "running", waiting: "waiting", asking: "needs your approval", done: "done", failed: "failed", withdrawn: "not made" };

export class ToolCard {
  #state = h("span", { class: "tool-state" });
  #result = h("div");

  constructor({ name, args }) {
    this.name = name;
    this.args = args;
    const summary = h(
      "summary",
      {},
      icon("tool"),
      h("span", { class: "tool-name" }, name.replaceAll("_", " ")),
      h("span", { class: "tool-gist" }, gist(args)),
      this.#state,
      icon("chevron"),
    );
    const asked = h("pre", { tabindex: "0" }, JSON.stringify(args, null, 2));
    this.root = h("details", { class: "tool" }, summary, h("h4", {}, "Asked"), asked, this.#result);
    this.#become("running");
  }

  finish({ content, is_error }) {
    this.#become(is_error ? "failed" : "done");
    this.#result.replaceChildren(h("h4", {}, is_error ? "Error" : "Answered"), h("pre", { tabindex: "0" }, content));
  }

  /** Somebody is asked whether the call may be made. */
  ask() {
    if (this.#is("running", "waiting")) this.#become("asking");
  }

  /** The run ended in a question; one that goes on after it may make the call. */
  wait() {
    if (this.#is("running")) this.#become("waiting");
  }

  get isWaiting() {
    return this.#is("waiting", "asking");
  }

  /** The conversation went on without the call. */
  withdraw() {
    if (!this.isWaiting) return;
    this.#become("withdrawn");
    this.#result.replaceChildren(h("h4", {}, "Not made"), h("p", {}, "The conversation went on without an answer to what was asked."));
  }

  /** The run ended before the tool answered. */
  abandon() {
    if (this.#is("running")) this.finish({ content: "No answer came before the run ended.", is_error: true });
  }

  #is(...states) {
    return states.includes(this.root.dataset.state);
  }

  #become(state) {
    this.root.dataset.state = state;
    this.#state.textContent = WORDS[state];
  }
}

function gist(args) {
  return Object.values(args ?? {})
    .map((value) => (typeof value === "string" ? value : JSON.stringify(value)))
    .join(", ")
    .slice(0, 120);
}
