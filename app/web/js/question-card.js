/** One question of the agent to a person, with the means to answer it that its JSON Schema asks for. */

import { h, icon } from "./dom.js";

const MAX_COMMENT_CHARACTERS = 2000;

export class QuestionCard {
  #controls = h("fieldset", { class: "question-controls" });
  #words = h("p", { class: "question-words", role: "status", hidden: true });
  #answer;

  /** `decided` is called each time the person chooses an answer; it is sent by others. */
  constructor({ id, value, schema }, decided) {
    this.id = id;
    this.isClosed = false;
    const isApproval = value?.kind === "approval";
    const decide = (answer, chosen) => (this.#choose(answer, chosen), decided());
    this.#controls.append(...(isApproval ? approval(decide) : controlsFor(schema ?? {}, decide, (words) => this.say(words))));
    const asked = isApproval ? askedCall(value) : askedAnything(value);
    this.root = h("section", { class: "question", role: "group", "aria-label": "The agent asks" }, ...asked, this.#controls, this.#words);
  }

  /** What was chosen; undefined until something is. */
  get answer() {
    return this.#answer;
  }

  set isBusy(isBusy) {
    this.#controls.disabled = isBusy;
  }

  say(words) {
    this.#words.textContent = words;
    this.#words.hidden = words === "";
  }

  /** It cannot be answered any more, and the words say why. */
  close(words) {
    this.isClosed = true;
    this.root.classList.add("closed");
    this.#controls.hidden = true;
    this.say(words);
  }

  #choose(answer, chosen) {
    this.#answer = answer;
    for (const button of this.#controls.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button === chosen));
  }
}

function askedCall({ tool, args }) {
  const title = h("p", { class: "question-title" }, icon("ask"), h("span", {}, "May the agent use ", h("strong", {}, tool.replaceAll("_", " ")), "?"));
  return [title, listed(args)];
}

function askedAnything(value) {
  const words = typeof value === "string" ? value : (value?.question ?? value?.message ?? value?.prompt);
  const isInWords = typeof words === "string";
  const title = h("p", { class: "question-title" }, icon("ask"), h("span", { dir: "auto" }, isInWords ? words : "The agent asks:"));
  if (typeof value === "string") return [title];
  const rest = isObject(value) ? Object.fromEntries(Object.entries(value).filter(([name, inner]) => name !== "kind" && (inner !== words || !isInWords))) : value;
  return [title, isObject(rest) ? listed(rest) : h("pre", { tabindex: "0" }, JSON.stringify(rest, null, 2))];
}

function listed(values) {
  const rows = Object.entries(values ?? {}).flatMap(([name, value]) => [
    h("dt", {}, name.replaceAll("_", " ")),
    h("dd", { dir: "auto" }, typeof value === "string" ? value : JSON.stringify(value, null, 2)),
  ]);
  return rows.length > 0 ? h("dl", { class: "question-args", tabindex: "0" }, ...rows) : null;
}

function approval(decide) {
  const comment = h("input", { "aria-label": "Reason, if you decline", placeholder: "Reason, if you decline (optional)", maxlength: MAX_COMMENT_CHARACTERS });
  const refusal = () => (comment.value.trim() ? { approved: false, comment: comment.value.trim() } : { approved: false });
  const approve = button("Approve", "main", () => ({ approved: true }), decide);
  return [approve, button("Decline", "plain", refusal, decide), comment];
}

/** Of an answer that needs nothing but leave. */
function consent(decide) {
  return [button("Approve", "main", () => ({ approved: true }), decide), button("Decline", "plain", () => ({ approved: false }), decide)];
}

function controlsFor(schema, decide, complain) {
  if (schema.enum?.length > 0) return schema.enum.map((option) => button(typeof option === "string" ? option : JSON.stringify(option), "plain", () => option, decide));
  if (schema.type === "boolean") return [button("Yes", "main", () => true, decide), button("No", "plain", () => false, decide)];
  if (schema.type === "object" && String(schema.required) === "approved") return consent(decide);
  return schema.type === "string" ? textField(schema, decide) : jsonField(schema, decide, complain);
}

function textField({ maxLength = null }, decide) {
  const input = h("input", { "aria-label": "Your answer", autocomplete: "off", maxlength: maxLength });
  const send = button("Answer", "main", () => input.value, decide);
  input.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && (event.preventDefault(), send.click()));
  return [input, send];
}

function jsonField(schema, decide, complain) {
  const input = h("textarea", { rows: "4", "aria-label": "Your answer, as JSON", spellcheck: "false", placeholder: "{ }" });
  const send = h("button", { type: "button", class: "main" }, "Answer");
  send.addEventListener("click", () => {
    const answer = parsed(input.value);
    if (answer === undefined) return complain("This is not JSON yet.");
    complain("");
    decide(answer, send);
  });
  const form = h("details", { class: "aside" }, h("summary", {}, "What an answer looks like"), h("pre", { tabindex: "0" }, JSON.stringify(schema, null, 2)));
  return [input, form, send];
}

function button(label, kind, answer, decide) {
  const element = h("button", { type: "button", class: kind }, label);
  element.addEventListener("click", () => decide(answer(), element));
  return element;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
