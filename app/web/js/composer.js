/** Where a message is written: Enter sends, Shift and Enter break the line, Escape stops the answer. */

import { Tray } from "./attachments.js";
import { $ } from "./dom.js";

const MAX_CHARACTERS = 32_000;
const COUNT_FROM_CHARACTERS = 28_000;

export class Composer {
  #text = $("message");
  #isLive = false;
  #tray = new Tray(() => this.#changed());

  constructor({ onsend, onstop }) {
    this.onsend = onsend;
    $("composer").addEventListener("submit", (event) => (event.preventDefault(), this.#submit()));
    $("stop").addEventListener("click", onstop);
    this.#text.addEventListener("input", () => this.#changed());
    this.#text.addEventListener("keydown", (event) => this.#pressed(event));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#isLive && !event.defaultPrevented && !document.querySelector("dialog[open]")) onstop();
    });
    this.#changed();
  }

  get text() {
    return this.#text.value;
  }

  set text(text) {
    this.#text.value = text;
    this.#changed();
  }

  /** Offer again what was not sent. */
  restore(text, attachments = []) {
    this.text = text;
    this.#tray.restore(attachments);
  }

  discard() {
    this.text = "";
    this.#tray.discard();
  }

  /** While an answer is under way, Send gives its place to Stop. */
  set isLive(isLive) {
    this.#isLive = isLive;
    const hadFocus = [$("stop"), $("send")].includes(document.activeElement);
    $("stop").hidden = !isLive;
    $("send").hidden = isLive;
    if (hadFocus) this.focus();
    this.#changed();
  }

  set isStopping(isStopping) {
    $("stop").setAttribute("aria-disabled", String(isStopping));
    $("stop").title = isStopping ? "Stopping…" : "Stop (Esc)";
  }

  /** Not on touch screens, where it would pull up the keyboard. */
  focus() {
    if (matchMedia("(pointer: fine)").matches) this.#text.focus();
  }

  // Enter that ends an input method's composition is not meant for us.
  #pressed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    if ($("send").disabled || this.#isLive) return;
    const text = this.text;
    this.text = "";
    this.onsend(text, this.#tray.takeAll());
  }

  #changed() {
    const characters = countCharacters(this.text);
    $("send").disabled = this.text.trim() === "" || this.#tray.isBusy || characters > MAX_CHARACTERS;
    $("counter").hidden = characters < COUNT_FROM_CHARACTERS;
    $("counter").classList.toggle("over", characters > MAX_CHARACTERS);
    $("counter").textContent = counterWords(characters);
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }
}

// The server counts characters, JavaScript UTF-16 halves; only near the limit is the difference worth a walk.
function countCharacters(text) {
  return text.length < COUNT_FROM_CHARACTERS ? text.length : [...text].length;
}

function counterWords(characters) {
  const left = MAX_CHARACTERS - characters;
  const distance = `${Math.abs(left).toLocaleString("en")} ${Math.abs(left) === 1 ? "character" : "characters"}`;
  return `${distance} ${left < 0 ? "too many" : "left"}`;
}
