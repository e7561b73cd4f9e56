/** Markdown as it streams in: painted at most once a frame, block by block, and never without the sanitiser. */

import DOMPurify from "../vendor/dompurify/purify.es.mjs";
import { Marked } from "../vendor/marked/marked.esm.js";
import { copyButton, h } from "./dom.js";

// Beyond this the parser's worst cases take seconds; no answer to be read is that long.
const MAX_CHARACTERS = 200_000;

// HTML in an answer is shown, not obeyed; a picture becomes a link, for fetching it could carry words of the session away.
const marked = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }) => escaped(text),
    image: ({ href, text }) => `<a href="${escaped(href)}">${escaped(text || href)}</a>`,
  },
});

const ALLOWED = {
  ALLOWED_TAGS: "p br hr strong em del code pre blockquote ul ol li a h1 h2 h3 h4 h5 h6 table thead tbody tr th td input".split(" "),
  ALLOWED_ATTR: ["href", "title", "class", "start", "align", "type", "checked", "disabled"],
  ADD_URI_SAFE_ATTR: ["start", "align", "type", "checked", "disabled"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

export class MarkdownView {
  #blocks = [];
  #frame = null;
  #restUntil = 0;

  constructor() {
    this.root = h("div", { class: "prose" });
    this.text = "";
  }

  append(text) {
    this.text += text;
    if (this.#frame === null) this.#awaitFrame();
  }

  clear() {
    this.text = "";
    this.settle();
  }

  /** Paint what is left, and all of it afresh: a link's target may be defined after the link. */
  settle() {
    this.#blocks = [];
    this.root.replaceChildren();
    this.#paint();
  }

  // Text that is slow to parse is painted less often, so that the page always has most of the time for its reader.
  #awaitFrame() {
    this.#frame = requestAnimationFrame((now) => (now < this.#restUntil ? this.#awaitFrame() : this.#paint()));
  }

  #paint() {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#frame = null;
    const begun = performance.now();
    const blocks = parse(this.text);
    for (const stale of this.#blocks.splice(sharedLength(this.#blocks, blocks))) stale.root.remove();
    for (const block of blocks.slice(this.#blocks.length)) {
      this.#blocks.push({ raw: block.raw, root: render(block) });
      this.root.append(this.#blocks.at(-1).root);
    }
    this.#restUntil = performance.now() + 3 * (performance.now() - begun);
  }
}

function parse(text) {
  if (text.length > MAX_CHARACTERS) return [{ type: "plain", raw: text }];
  try {
    return marked.lexer(text).filter(({ type }) => type !== "space" && type !== "def");
  } catch {
    return [{ type: "plain", raw: text }]; // nested deeper than the parser's stack
  }
}

function sharedLength(painted, blocks) {
  const changed = blocks.findIndex((block, index) => painted[index]?.raw !== block.raw);
  return changed === -1 ? blocks.length : changed;
}

function render(block) {
  const root = h("div", { class: "block" });
  try {
    root.append(block.type === "plain" ? block.raw : DOMPurify.sanitize(marked.parser([block]), ALLOWED));
  } catch {
    root.append(block.raw);
  }
  root.querySelectorAll("a").forEach(openOutside);
  root.querySelectorAll("pre").forEach(frameCode);
  root.querySelectorAll("table").forEach((table) => wrap(table, h("div", { class: "wide", tabindex: "0" })));
  return root;
}

// A link that leads nowhere safe has lost its address by now; its words remain.
function openOutside(link) {
  if (!link.hasAttribute("href")) return link.replaceWith(...link.childNodes);
  link.target = "_blank";
  link.rel = "noopener noreferrer";
}

function frameCode(pre) {
  const language = /language-(\S+)/.exec(pre.firstElementChild?.className)?.[1] ?? "text";
  const head = h("figcaption", {}, h("span", {}, language), copyButton("Copy this code", () => pre.textContent));
  pre.tabIndex = 0;
  wrap(pre, h("figure", { class: "code" }, head));
}

function wrap(element, around) {
  element.replaceWith(around);
  around.append(element);
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
