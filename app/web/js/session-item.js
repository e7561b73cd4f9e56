/** One session in the side list, with its name, its day, and the means to rename or delete it. */

import { ask } from "./api.js";
import { confirmed } from "./dialog.js";
import { h, icon } from "./dom.js";

export const nameOf = ({ name }) => name || "New session";
export const addressOf = ({ id }) => `#/session/${id}`;

/** `listener` hears renamed(session), deleted(session) and failed(problem). */
export class SessionItem {
  #listener;
  #link = h("a", { class: "session-link" });

  constructor(session, listener) {
    this.#listener = listener;
    this.root = h("li", { class: "session" }, this.#link, this.#action("Rename", "pencil", () => this.#rename()), this.#action("Delete", "trash", () => this.#delete()));
    this.show(session);
  }

  show(session) {
    this.session = session;
    this.#link.href = addressOf(session);
    const mark = session.temporary ? h("span", { class: "session-mark", title: "Temporary" }, icon("temporary"), h("span", { class: "unseen" }, "Temporary:")) : "";
    this.#link.replaceChildren(mark, h("span", { class: "session-name", dir: "auto" }, nameOf(session)), h("time", { datetime: session.created_at }, dayOf(session.created_at)));
  }

  set isCurrent(isCurrent) {
    this.root.classList.toggle("current", isCurrent);
    if (isCurrent) this.#link.setAttribute("aria-current", "page");
    else this.#link.removeAttribute("aria-current");
  }

  #action(label, iconName, act) {
    return h("button", { type: "button", class: "quiet session-action", title: label, "aria-label": label, onclick: act }, icon(iconName));
  }

  #rename() {
    const input = h("input", { class: "session-rename", "aria-label": "New name", maxlength: "200", value: this.session.name ?? "" });
    const done = (name) => {
      input.onblur = null;
      input.replaceWith(this.#link);
      this.#link.focus();
      if (name && name !== this.session.name) this.#save(name);
    };
    input.onblur = () => done(input.value.trim());
    input.onkeydown = (event) => {
      if (event.key === "Escape") event.preventDefault();
      if (event.key === "Escape") done(null);
      if (event.key === "Enter" && !event.isComposing) done(input.value.trim());
    };
    this.#link.replaceWith(input);
    input.select();
  }

  async #save(name) {
    try {
      this.#listener.renamed(await ask("PATCH", `sessions/${this.session.id}`, { json: { name } }));
    } catch (problem) {
      this.#listener.failed(problem);
    }
  }

  async #delete() {
    const text = `“${nameOf(this.session)}” goes with all its messages and checkpoints. This cannot be undone.`;
    if (!(await confirmed({ title: "Delete this session?", text, yes: "Delete" }))) return;
    try {
      await ask("DELETE", `sessions/${this.session.id}`);
      this.#listener.deleted(this.session);
    } catch (problem) {
      this.#listener.failed(problem);
    }
  }
}

function dayOf(moment) {
  const date = new Date(moment);
  if (date.toDateString() === new Date().toDateString()) return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return date.toLocaleDateString([], { day: "numeric", month: "short" });
}
