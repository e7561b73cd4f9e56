/** One step of an agent that is several: who is at work, on what, and what it found. */

import { h, icon } from "./dom.js";

const WORDS = { begun: "at work", done: "done", failed: "failed", left: "not finished" };

export class StepCard {
  #title = h("span", { class: "step-title" });
  #state = h("span", { class: "step-state" });
  #content = h("div", { class: "step-content" });

  constructor({ node }) {
    this.tools = h("div", { class: "tools" });
    const line = h("p", { class: "step-line" }, h("span", { class: "step-node" }, node.replaceAll("_", " ")), this.#title, this.#state);
    this.root = h("li", { class: "step" }, line, this.#content, this.tools);
  }

  /** What the same step tells later takes the place of what it told before. */
  show({ status, title, content }) {
    this.#become(status);
    this.#title.textContent = title;
    this.#content.replaceChildren(...[...parts(content ?? {})]);
  }

  /** The run ended before the step did. */
  abandon() {
    if (this.root.dataset.state === "begun") this.#become("left");
  }

  #become(state) {
    this.root.dataset.state = state;
    this.#state.textContent = WORDS[state] ?? state;
  }
}

function* parts({ questions = [], sources = [], reason, good }) {
  if (reason) yield h("p", { class: "step-reason", dir: "auto" }, String(reason));
  if (good === false) yield h("p", {}, "The answer was sent back, to be written once more.");
  if (questions.length > 0) yield h("ol", {}, ...questions.map((question) => h("li", { dir: "auto" }, String(question))));
  if (sources.length > 0) yield h("ul", {}, ...sources.map(source));
}

function source({ title, url }) {
  const words = title || url;
  // An address comes from the web: only what is plainly a page is a link.
  if (!/^https?:\/\//i.test(url ?? "")) return h("li", { dir: "auto" }, String(words));
  const link = h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, words);
  return h("li", { dir: "auto" }, icon("file"), link, h("small", {}, hostOf(url)));
}

function hostOf(url) {
  return URL.canParse(url) ? new URL(url).hostname : "";
}
