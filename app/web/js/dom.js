/** Elements in few words. Strings always become text, never HTML. */

const SVG = "http://www.w3.org/2000/svg";

/** h("button", {class: "quiet", onclick: save}, "Save"): functions are listeners, true and false switch attributes. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

export const $ = (id) => document.getElementById(id);

/** A button that copies what `text()` says and shows that it did. */
export function copyButton(label, text) {
  const button = h("button", { type: "button", class: "quiet copy", "aria-label": label, title: label }, icon("copy"), h("span", {}, "Copy"));
  button.addEventListener("click", async () => {
    const copied = await copy(text());
    button.lastChild.textContent = copied ? "Copied" : "Not allowed";
    setTimeout(() => (button.lastChild.textContent = "Copy"), 1600);
  });
  return button;
}

// Outside https and localhost browsers give pages no clipboard.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Tell a screen reader; the same sentence is not said twice in a row. */
export function say(sentence) {
  if ($("announcer").textContent !== sentence) $("announcer").textContent = sentence;
}
