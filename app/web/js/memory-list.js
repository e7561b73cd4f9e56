/** What is remembered of the user: newest first, searched and paged by the server, and deleted one by one or all at once. */

import { ask } from "./api.js";
import { confirmed } from "./dialog.js";
import { $, h } from "./dom.js";
import { errorCard } from "./error-card.js";
import { MemoryItem } from "./memory-item.js";

const PAGE_SIZE = 30;
const TYPING_PAUSE_MS = 250;

/** `say(sentence)` tells a screen reader. */
export class MemoryList {
  #items = new Map();
  #cursor = null;
  #asked = 0;

  constructor(say) {
    this.say = say;
    let typing;
    $("memory-search").addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.load(), TYPING_PAUSE_MS);
    });
    $("memory-history").addEventListener("change", () => this.load());
    $("more-memories").addEventListener("click", () => this.load(this.#cursor));
    $("forget-all").addEventListener("click", () => this.#forgetAll());
  }

  /** Show the first page, or add the one at `cursor`; an answer overtaken by a later question is dropped. */
  async load(cursor = null) {
    const question = ++this.#asked;
    const wanted = { ...(cursor && { cursor }), ...(this.#sought && { q: this.#sought }), ...(this.#isHistory && { include_closed: true }) };
    try {
      const page = await ask("GET", `memories?${new URLSearchParams({ limit: PAGE_SIZE, ...wanted })}`);
      if (question === this.#asked) this.#showPage(page, cursor !== null);
    } catch (problem) {
      if (question === this.#asked) this.#showProblem(problem, () => this.load(cursor));
    }
  }

  clear() {
    this.#asked++;
    $("memory-search").value = "";
    $("memory-history").checked = false;
    this.#showPage({ items: [], next_cursor: null }, false);
    $("memories-empty").textContent = "";
  }

  get #sought() {
    return $("memory-search").value.trim();
  }

  get #isHistory() {
    return $("memory-history").checked;
  }

  #showPage({ items, next_cursor }, isFurther) {
    if (!isFurther) this.#items.clear();
    const fresh = items.filter(({ id }) => !this.#items.has(id)).map((memory) => this.#item(memory).root);
    if (isFurther) $("memory-list").append(...fresh);
    else $("memory-list").replaceChildren(...fresh);
    this.#cursor = next_cursor;
    $("more-memories").hidden = next_cursor === null;
    $("memories-problem").replaceChildren();
    this.#showEmptiness();
  }

  #item(memory) {
    const item = new MemoryItem(memory, () => this.#forget(item));
    this.#items.set(memory.id, item);
    return item;
  }

  async #forget(item) {
    const text = `“${item.memory.text}” is deleted for good, together with older or newer versions of it, if there are any.`;
    if (!(await confirmed({ title: "Delete this memory?", text, yes: "Delete" }))) return;
    await this.#gone(ask("DELETE", `memories/${item.memory.id}`), () => {
      const next = item.root.nextElementSibling ?? item.root.previousElementSibling;
      for (const gone of this.#chainOf(item)) this.#remove(gone);
      (next?.isConnected ? next.querySelector("button") : $("memory-search")).focus();
      this.say("Deleted.");
    });
  }

  async #forgetAll() {
    const text = "All that is remembered of you goes, whatever the search shows. This cannot be undone.";
    if (!(await confirmed({ title: "Delete all memories?", text, yes: "Delete all" }))) return;
    await this.#gone(ask("DELETE", "memories"), () => {
      this.#showPage({ items: [], next_cursor: null }, false);
      $("memory-search").focus();
      this.say("All memories are deleted.");
    });
  }

  /** Have something deleted; what is gone already is as good as deleted. */
  async #gone(deleting, show) {
    const problem = await deleting.catch((error) => error);
    if (problem && problem.code !== "memory_not_found") return this.#showProblem(problem);
    this.#asked++; // a page under way may still hold it
    $("memories-problem").replaceChildren();
    show();
    this.#showEmptiness();
  }

  /** The memories on the page that the server has deleted with this one. */
  #chainOf(item) {
    const chain = new Set([item]);
    for (const one of chain) {
      for (const other of this.#items.values()) {
        if (other.memory.replaced_by === one.memory.id || other.memory.id === one.memory.replaced_by) chain.add(other);
      }
    }
    return chain;
  }

  #remove({ memory, root }) {
    root.remove();
    this.#items.delete(memory.id);
  }

  #showProblem(problem, retry = null) {
    $("memories-problem").replaceChildren(errorCard(problem, retry));
  }

  #showEmptiness() {
    const words = this.#sought ? "No memory says this." : "Nothing is remembered of you. What you tell the agent about yourself will stand here.";
    $("memories-empty").textContent = this.#items.size === 0 && this.#cursor === null ? words : "";
    $("forget-all").disabled = this.#items.size === 0 && !this.#sought;
  }
}
