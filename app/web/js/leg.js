/** What one run said of an answer: its events as they come, or those that a stored message stands for. */

import { $, h, icon } from "./dom.js";
import { MarkdownView } from "./markdown.js";
import { StepCard } from "./step-card.js";
import { ToolCard } from "./tool-card.js";

export class Leg {
  /** Earlier legs are the runs before questions that people answered; their last calls are told once more here. */
  constructor(earlier = []) {
    this.earlier = earlier;
    this.markdown = new MarkdownView();
    this.tools = new Map();
    this.steps = new Map();
    this.parts = { memory: h("div"), reasoning: h("div"), steps: h("div"), tools: h("div", { class: "tools" }), notes: h("div", { class: "notes" }) };
    const { memory, reasoning, steps, tools, notes } = this.parts;
    this.waiting = h("div", { class: "waiting", role: "img", "aria-label": "Waiting for the answer" }, h("i"));
    this.root = h("div", { class: "leg" }, memory, reasoning, steps, tools, this.markdown.root, this.waiting, notes);
    this.status = "waiting";
    this.usage = null;
  }

  /** Show one event; types this page does not know are left alone. */
  apply(event) {
    SHOW[event.type]?.(this, event);
  }

  note(...content) {
    this.parts.notes.append(h("p", { class: "note" }, ...content));
  }

  /** Nobody will say any more whether the calls that wait may be made. */
  withdraw() {
    for (const card of this.tools.values()) card.withdraw();
  }

  /** Waiting, streaming, completed, failed, cancelled, or interrupted by a question. */
  set status(status) {
    this.root.dataset.status = status;
  }

  get status() {
    return this.root.dataset.status;
  }

  /** The call that waits in an earlier leg, whose place a card of this leg takes. */
  waitingCall(id) {
    return this.earlier.map((leg) => leg.tools.get(id)).find((card) => card?.isWaiting);
  }

  /** The step that tells of itself under this name. */
  step(event) {
    if (!this.steps.has(event.namespace)) {
      const card = new StepCard(event);
      this.steps.set(event.namespace, card);
      this.#listSteps().append(card.root);
    }
    return this.steps.get(event.namespace);
  }

  // Open while they are made; of an answer that is read again, one line stands for them.
  #listSteps() {
    const { steps } = this.parts;
    if (!steps.firstChild) steps.append(stepList());
    steps.querySelector(".step-count").textContent = this.steps.size === 1 ? "One step" : `${this.steps.size} steps`;
    return steps.querySelector(".steps");
  }

  /** Show that there were steps, and what they were to those who ask. */
  foldSteps() {
    for (const list of this.parts.steps.children) list.open = false;
  }

  /** The step within whose namespace a call was made. */
  stepAround(namespace) {
    return [...this.steps].find(([name]) => namespace === name || namespace?.startsWith(`${name}|`))?.[1];
  }

  addCall(id, call, namespace) {
    const before = this.waitingCall(id);
    const card = new ToolCard(before && isEmpty(call.args) ? before : call);
    if (before) {
      before.root.hidden = true;
      card.replaces = before;
    }
    this.tools.set(id, card);
    (this.stepAround(namespace)?.tools ?? this.parts.tools).append(card.root);
    return card;
  }
}

const SHOW = {
  memory(leg, { memories }) {
    if (memories.length > 0) leg.parts.memory.replaceChildren(memoryLine(memories));
  },
  reasoning(leg, { content }) {
    leg.status = "streaming";
    const shown = leg.parts.reasoning.querySelector(".thoughts");
    if (shown) shown.append(content);
    else leg.parts.reasoning.append(reasoningCard(content));
  },
  token(leg, { content }) {
    leg.status = "streaming";
    leg.markdown.append(content);
  },
  tool_call(leg, { id, name, args, namespace }) {
    leg.status = "streaming";
    leg.addCall(id, { name, args }, namespace);
  },
  step(leg, event) {
    leg.step(event).show(event);
  },
  tool_result(leg, { id, name, ...result }) {
    const card = leg.tools.get(id) ?? leg.addCall(id, { name, args: {} });
    card.finish(result);
  },
  reset(leg) {
    leg.status = "waiting";
    leg.markdown.clear();
    for (const { replaces } of leg.tools.values()) if (replaces) replaces.root.hidden = false;
    leg.tools.clear();
    leg.steps.clear();
    for (const part of Object.values(leg.parts)) part.replaceChildren();
  },
  usage(leg, usage) {
    leg.usage = usage;
  },
  end(leg, { status }) {
    leg.status = status;
    leg.markdown.settle();
    for (const card of leg.steps.values()) card.abandon();
    for (const card of leg.tools.values()) status === "interrupted" ? card.wait() : card.abandon();
    if (status === "cancelled") leg.note(icon("stop"), "Stopped before it was finished.");
  },
};

/** The events that a stored message stands for. */
export function* eventsOf({ reasoning, steps, tool_calls, content, status }) {
  if (reasoning) yield { type: "reasoning", content: reasoning };
  for (const step of steps) yield { ...step, type: "step" };
  for (const call of tool_calls) {
    yield { ...call, type: "tool_call" };
    if (status !== "interrupted" || call.content !== "") yield { ...call, type: "tool_result" };
  }
  if (content) yield { type: "token", content };
  yield { type: "end", status };
}

const isEmpty = (args) => Object.keys(args ?? {}).length === 0;

function memoryLine(memories) {
  const title = memories.length === 1 ? "Used one memory of you" : `Used ${memories.length} memories of you`;
  const all = h("button", { type: "button", class: "link all-memories", onclick: () => $("open-memories").click() }, "All memories");
  return h("details", { class: "aside" }, h("summary", {}, icon("memory"), title), h("ul", {}, ...memories.map((memory) => h("li", {}, memory)), h("li", {}, all)));
}

function stepList() {
  const summary = h("summary", {}, icon("steps"), h("span", { class: "step-count" }), icon("chevron"));
  return h("details", { class: "step-list", open: true }, summary, h("ol", { class: "steps", "aria-label": "Steps" }));
}

function reasoningCard(content) {
  return h("details", { class: "aside" }, h("summary", {}, icon("thought"), "Reasoning"), h("div", { class: "thoughts" }, content));
}
