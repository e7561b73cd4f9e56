/** One memory in the list: its words, since when it holds or until when it did, and the means to delete it. */

import { h, icon } from "./dom.js";

export class MemoryItem {
  constructor(memory, forget) {
    this.memory = memory;
    const { text, created_at, closed_at } = memory;
    const dates = closed_at ? h("span", { class: "memory-date" }, "Until ", day(closed_at), ", then replaced") : h("span", { class: "memory-date" }, "Since ", day(created_at));
    const words = h("div", { class: "memory-words" }, h("span", { class: "memory-text", dir: "auto" }, text), dates);
    const button = h("button", { type: "button", class: "quiet", title: "Delete", "aria-label": `Delete “${text}”`, onclick: forget }, icon("trash"));
    this.root = h("li", { class: closed_at ? "memory closed" : "memory" }, words, button);
  }
}

function day(moment) {
  const date = new Date(moment);
  const year = date.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
  return h("time", { datetime: moment }, date.toLocaleDateString([], { day: "numeric", month: "short", ...year }));
}
