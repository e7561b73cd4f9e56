/** One answer on the page, made of its run's events: live ones from the stream, or those a stored message stands for. */

import { copyButton, h, icon } from "./dom.js";
import { MarkdownView } from "./markdown.js";
import { ToolCard } from "./tool-card.js";

export class Answer {
  constructor() {
    this.markdown = new MarkdownView();
    this.tools = new Map();
    this.parts = { memory: h("div"), reasoning: h("div"), tools: h("div", { class: "tools" }), notes: h("div", { class: "notes" }) };
    const { memory, reasoning, tools, notes } = this.parts;
    this.waiting = h("div", { class: "waiting", role: "img", "aria-label": "Waiting for the answer" }, h("i"));
    this.root = h("div", { class: "answer", "aria-live": "polite" }, memory, reasoning, tools, this.markdown.root, this.waiting, notes);
    this.status = "waiting";
  }

  /** Show one event; types this page does not know are left alone. */
  apply(event) {
    SHOW[event.type]?.(this, event);
  }

  note(...content) {
    this.parts.notes.append(h("p", { class: "note" }, ...content));
  }

  /** Completed, failed or cancelled; a screen reader is told the answer only then, not word by word. */
  set status(status) {
    this.root.dataset.status = status;
    this.root.setAttribute("aria-busy", String(status === "waiting" || status === "streaming"));
  }

  get status() {
    return this.root.dataset.status;
  }
}

const SHOW = {
  memory(answer, { memories }) {
    if (memories.length > 0) answer.parts.memory.replaceChildren(memoryLine(memories));
  },
  reasoning(answer, { content }) {
    answer.status = "streaming";
    const shown = answer.parts.reasoning.querySelector(".thoughts");
    if (shown) shown.append(content);
    else answer.parts.reasoning.append(reasoningCard(content));
  },
  token(answer, { content }) {
    answer.status = "streaming";
    answer.markdown.append(content);
  },
  tool_call(answer, { id, name, args }) {
    answer.status = "streaming";
    const card = new ToolCard({ name, args });
    answer.tools.set(id, card);
    answer.parts.tools.append(card.root);
  },
  tool_result(answer, { id, ...result }) {
    answer.tools.get(id)?.finish(result);
  },
  reset(answer) {
    answer.status = "waiting";
    answer.markdown.clear();
    answer.tools.clear();
    for (const part of Object.values(answer.parts)) part.replaceChildren();
  },
  usage(answer, usage) {
    answer.usage = usage;
  },
  end(answer, { status }) {
    answer.status = status;
    answer.markdown.settle();
    for (const card of answer.tools.values()) card.abandon();
    if (status === "cancelled") answer.note(icon("stop"), "Stopped before it was finished.");
    if (answer.markdown.text) answer.parts.notes.append(footLine(answer));
  },
};

/** The events that a stored message stands for. */
export function* eventsOf({ reasoning, tool_calls, content, status }) {
  if (reasoning) yield { type: "reasoning", content: reasoning };
  for (const call of tool_calls) {
    yield { ...call, type: "tool_call" };
    yield { ...call, type: "tool_result" };
  }
  if (content) yield { type: "token", content };
  yield { type: "end", status };
}

function memoryLine(memories) {
  const title = memories.length === 1 ? "Remembered one thing about you" : `Remembered ${memories.length} things about you`;
  return h("details", { class: "aside" }, h("summary", {}, icon("memory"), title), h("ul", {}, ...memories.map((memory) => h("li", {}, memory))));
}

function reasoningCard(content) {
  return h("details", { class: "aside" }, h("summary", {}, icon("thought"), "Reasoning"), h("div", { class: "thoughts" }, content));
}

function footLine({ markdown, usage }) {
  const line = h("p", { class: "foot" }, copyButton("Copy this answer", () => markdown.text));
  if (usage) line.append(...usageWords(usage).map((words) => h("span", {}, words)));
  return line;
}

function usageWords({ total_tokens, cost_usd, model, from_cache }) {
  const words = [model, total_tokens && `${total_tokens.toLocaleString("en")} tokens`, cost_usd && `$${cost_usd.toFixed(4)}`, from_cache && "from cache"];
  return words.filter(Boolean);
}
