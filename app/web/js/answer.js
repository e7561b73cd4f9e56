/** One answer on the page: the run that began it, and those that went on after people had been asked something. */

import { copyButton, h, icon } from "./dom.js";
import { Leg } from "./leg.js";

export class Answer {
  #legs = [];
  #foot = h("div", { class: "foot", hidden: true });

  /** `onregenerate` is called when somebody wants another answer. */
  constructor(onregenerate) {
    this.onregenerate = onregenerate;
    this.root = h("div", { class: "answer", "aria-live": "polite" }, this.#foot);
  }

  /** Where the events of one run are shown. */
  beginLeg() {
    const leg = new Leg([...this.#legs]);
    this.#legs.push(leg);
    this.#foot.before(leg.root);
    this.#foot.hidden = true;
    this.#showStatus();
    return leg;
  }

  apply(leg, event) {
    leg.apply(event);
    this.#showStatus();
    if (event.type === "end") this.#showFoot();
  }

  /** Take back a leg whose run never began. */
  drop(leg) {
    leg.root.remove();
    this.#legs = this.#legs.filter((one) => one !== leg);
    this.#showStatus();
    this.#showFoot();
  }

  /** People are asked whether this call may be made. */
  askAbout(callId) {
    for (const leg of this.#legs) leg.tools.get(callId)?.ask();
  }

  /** The questions will not be answered any more. */
  withdraw() {
    for (const leg of this.#legs) leg.withdraw();
  }

  get status() {
    return this.#legs.at(-1).status;
  }

  get text() {
    return this.#legs
      .map(({ markdown }) => markdown.text)
      .filter(Boolean)
      .join("\n\n");
  }

  // A screen reader is told the answer when it has come to an end, not word by word.
  #showStatus() {
    this.root.dataset.status = this.status;
    this.root.setAttribute("aria-busy", String(["waiting", "streaming"].includes(this.status)));
  }

  #showFoot() {
    const again = h("button", { type: "button", class: "quiet act regenerate", onclick: this.onregenerate }, icon("retry"), h("span", {}, "Regenerate"));
    const copy = this.text ? [copyButton("Copy this answer", () => this.text)] : [];
    const usages = this.#legs.map(({ usage }) => usage).filter(Boolean);
    const words = usageWords(usages).join(", ");
    this.#foot.replaceChildren(...copy, again, ...(words ? [h("span", {}, words)] : []));
    this.#foot.hidden = false;
  }
}

function usageWords(usages) {
  const tokens = sum(usages.map(({ total_tokens }) => total_tokens));
  const cost = sum(usages.map(({ cost_usd }) => cost_usd));
  const { model, from_cache } = usages.at(-1) ?? {};
  const words = [model, tokens && `${tokens.toLocaleString("en")} tokens`, cost && `$${cost.toFixed(4)}`, from_cache && "from cache"];
  return words.filter(Boolean);
}

const sum = (numbers) => numbers.reduce((total, number) => total + (number ?? 0), 0);
