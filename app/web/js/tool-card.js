/** One tool call: folded to a line, open it shows what went in and what came out. */

import { h, icon } from "./dom.js";

export class ToolCard {
  #state = h("span", { class: "tool-state" }, "running");
  #result = h("div");

  constructor({ name, args }) {
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
    this.root = h("details", { class: "tool", "data-state": "running" }, summary, h("h4", {}, "Asked"), asked, this.#result);
  }

  finish({ content, is_error }) {
    this.root.dataset.state = is_error ? "failed" : "done";
    this.#state.textContent = is_error ? "failed" : "done";
    this.#result.replaceChildren(h("h4", {}, is_error ? "Error" : "Answered"), h("pre", { tabindex: "0" }, content));
  }

  /** The run ended before the tool answered. */
  abandon() {
    if (this.root.dataset.state === "running") this.finish({ content: "No answer came before the run ended.", is_error: true });
  }
}

function gist(args) {
  return Object.values(args ?? {})
    .map((value) => (typeof value === "string" ? value : JSON.stringify(value)))
    .join(", ")
    .slice(0, 120);
}
