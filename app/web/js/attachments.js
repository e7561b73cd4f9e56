/** Images and text files that go with a message: uploaded as soon as they are chosen, and shown small. */

import { Problem, ask, send } from "./api.js";
import { $, h, icon } from "./dom.js";
import { errorCard } from "./error-card.js";

const MOST = 10;

/** What is to go with the next message; `changed` hears of every change. */
export class Tray {
  #items = [];
  #changed;

  constructor(changed) {
    this.#changed = changed;
    $("attach").addEventListener("click", () => $("files").click());
    $("files").addEventListener("change", () => (this.add($("files").files), ($("files").value = "")));
    $("message").addEventListener("paste", (event) => this.#take(event, event.clipboardData.files));
    $("road").addEventListener("dragover", (event) => this.#invite(event));
    $("road").addEventListener("dragleave", (event) => event.relatedTarget && !$("road").contains(event.relatedTarget) && this.#invite(null));
    $("road").addEventListener("drop", (event) => (this.#invite(null), this.#take(event, event.dataTransfer.files)));
  }

  /** Whether something is still on its way to the server. */
  get isBusy() {
    return this.#items.some(({ attachment, isRefused }) => !attachment && !isRefused);
  }

  add(files) {
    for (const file of files) this.#upload(file);
    this.#show();
  }

  /** All that is uploaded; the tray is empty then. */
  takeAll() {
    const taken = this.#items.map(({ attachment }) => attachment).filter(Boolean);
    this.#items = [];
    this.#show();
    return taken;
  }

  /** Nothing of it is to be sent any more. */
  discard() {
    for (const item of [...this.#items]) this.#drop(item);
  }

  /** Put back what was taken and not sent. */
  restore(attachments) {
    this.#items = attachments.map((attachment) => this.#item(attachment.name, attachment));
    this.#show();
  }

  async #upload(file) {
    const item = this.#item(file.name, null);
    this.#items.push(item);
    if (this.#items.length > MOST) return this.#refuse(item, `A message takes ${MOST} files.`);
    try {
      const uploaded = await ask("POST", `attachments?${new URLSearchParams({ name: file.name })}`, { file });
      item.isFresh = true;
      item.attachment = { ...uploaded, preview: isImage(uploaded) ? URL.createObjectURL(file) : null };
      item.root.replaceWith((item.root = this.#chip(item, small(item.attachment))));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#refuse(item, problem.detail);
    }
    this.#changed();
  }

  #item(name, attachment) {
    const item = { name, attachment, isFresh: false, isRefused: false };
    item.root = this.#chip(item, attachment ? small(attachment) : label(name, "Uploading…"));
    return item;
  }

  #refuse(item, words) {
    item.isRefused = true;
    const chip = this.#chip(item, label(item.name, words));
    chip.classList.add("refused");
    chip.setAttribute("role", "alert");
    item.root.replaceWith(chip);
    item.root = chip;
  }

  #chip(item, shown) {
    const drop = h("button", { type: "button", class: "quiet drop", title: "Remove", "aria-label": `Remove ${item.name}`, onclick: () => this.#drop(item) }, icon("close"));
    return h("li", { class: "chip" }, shown, drop);
  }

  // One that was put back may be another message's too. What was never sent the server forgets by itself, if it cannot be told.
  #drop(item) {
    this.#items = this.#items.filter((other) => other !== item);
    if (item.isFresh) ask("DELETE", `attachments/${item.attachment.id}`).catch(() => {});
    this.#show();
    $("message").focus();
  }

  #show() {
    $("tray").replaceChildren(...this.#items.map(({ root }) => root));
    $("tray").hidden = this.#items.length === 0;
    this.#changed();
  }

  #take(event, files) {
    if (files.length === 0) return;
    event.preventDefault();
    this.add(files);
  }

  #invite(event) {
    const isFile = Boolean(event?.dataTransfer.types.includes("Files"));
    if (isFile) event.preventDefault();
    $("composer").classList.toggle("inviting", isFile);
  }
}

/** What was sent with a message, or null if nothing was. */
export function sent(attachments) {
  return attachments.length > 0 ? h("ul", { class: "sent", "aria-label": "Attachments" }, ...attachments.map(whole)) : null;
}

function whole(attachment) {
  const problem = h("div");
  const open = h("button", { type: "button", class: "sent-one", title: attachment.name, "aria-label": `Save ${attachment.name}` }, small(attachment));
  open.addEventListener("click", () => save(attachment).catch((error) => problem.replaceChildren(errorCard(error))));
  return h("li", {}, open, problem);
}

function small(attachment) {
  if (!isImage(attachment)) return label(attachment.name, size(attachment.bytes));
  const image = h("img", { alt: attachment.name, class: "thumb" });
  image.addEventListener("error", () => image.replaceWith(label(attachment.name, "cannot be shown")));
  if (attachment.preview) image.src = attachment.preview;
  else seen.observe((waiting.set(image, attachment), image));
  return image;
}

// Images of a long conversation are fetched when somebody scrolls to them.
const waiting = new WeakMap();
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting) (seen.unobserve(target), show(target));
}, { rootMargin: "400px" });

async function show(image) {
  const address = await fetched(waiting.get(image)).catch(() => null);
  if (!address) return image.replaceWith(label(waiting.get(image).name, "cannot be shown"));
  image.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
  image.src = address;
}

/** Where the page has its content; an <img> or a link could not say that it is us who ask. */
async function fetched({ id }) {
  const response = await send("GET", `attachments/${id}`);
  return URL.createObjectURL(await response.blob());
}

async function save(attachment) {
  const address = await fetched(attachment);
  h("a", { href: address, download: attachment.name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function isImage({ media_type: type }) {
  return type.startsWith("image/");
}

function label(name, words) {
  return h("span", { class: "file" }, icon("file"), h("span", { class: "file-name", dir: "auto" }, name), h("span", { class: "file-words" }, words));
}

function size(bytes) {
  return bytes < 1000 ? `${bytes} bytes` : bytes < 1_000_000 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
