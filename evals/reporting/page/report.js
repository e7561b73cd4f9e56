"use strict";

// Everything that was said comes in as text and goes out as text nodes: no answer can be markup here.
const { cases, units, kinds } = JSON.parse(document.getElementById("values").textContent);
const form = document.getElementById("filters");
const list = document.getElementById("list");
const more = document.getElementById("more");
const count = document.getElementById("count");
const PAGE = 100;
const SHORT = 20000;
const MOST_WORDS = 1500;
let found = [];
let shown = 0;

function made(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null));
  return element;
}

function badge(name) {
  return made("span", `badge ${name}`, { worse: "turned bad", better: "turned good", unchecked: "nothing checked" }[name] || name);
}

function text(className, content) {
  const box = made("div", `text ${className}`);
  box.dir = "auto";
  box.tabIndex = 0;
  if (content.length <= SHORT) {
    box.append(content);
    return box;
  }
  const rest = made("button", "", `Show all ${content.length.toLocaleString("en")} characters`);
  rest.type = "button";
  rest.addEventListener("click", () => box.replaceChildren(content));
  box.append(`${content.slice(0, SHORT)}… `, rest);
  return box;
}

function labelled(name, box) {
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", name);
  return [made("div", "who", name), box];
}

// The longest common run of words, by the usual table; long texts are shown side by side without one.
function diff(before, after) {
  const old = before.match(/\S+\s*|\s+/g) || [];
  const now = after.match(/\S+\s*|\s+/g) || [];
  if (old.length > MOST_WORDS || now.length > MOST_WORDS) return null;
  const wide = now.length + 1;
  const table = new Uint16Array((old.length + 1) * wide);
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      const both = table[(i + 1) * wide + j + 1] + 1;
      table[i * wide + j] = old[i] === now[j] ? both : Math.max(table[(i + 1) * wide + j], table[i * wide + j + 1]);
    }
  }
  const box = made("div", "text");
  box.dir = "auto";
  box.tabIndex = 0;
  let i = 0;
  let j = 0;
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      box.append(now[j]);
      i += 1;
      j += 1;
    } else if (j >= now.length || (i < old.length && table[(i + 1) * wide + j] >= table[i * wide + j + 1])) {
      box.append(made("del", "", old[i]));
      i += 1;
    } else {
      box.append(made("ins", "", now[j]));
      j += 1;
    }
  }
  return box;
}

function toolOf(call) {
  return labelled(call.error ? "tool, an error" : "tool", text(call.error ? "tool error" : "tool", `${call.name}(${call.args})\n→ ${call.result}`));
}

function turnOf(turn) {
  return [
    ...labelled("user", text("said", turn.said)),
    ...turn.tools.flatMap(toolOf),
    ...labelled("agent", text("given", turn.text || "(no text)")),
    made("p", "", made("small", "", turn.facts)),
  ];
}

function scoreOf(score) {
  const value = score.error ? `no value: ${score.error}` : score.shown;
  const enough = kinds[score.metric] === "judge" ? 0.5 : 1;
  const lost = score.error || (!units[score.metric] && score.value !== null && score.value < enough);
  const metric = made("th", "", score.metric);
  metric.scope = "row";
  const reason = made("td", "", score.reasoning, score.judge ? made("small", "", ` ${score.judge}`) : null);
  reason.dir = "auto";
  return made("tr", "", metric, made("td", "", made("span", lost ? "failed" : "", value)), reason);
}

function scoresOf(scores) {
  const heads = ["metric", "value", "why"].map((name) => {
    const head = made("th", "", name);
    head.scope = "col";
    return head;
  });
  return made("div", "wide", made("table", "", made("thead", "", made("tr", "", ...heads)), made("tbody", "", ...scores.map(scoreOf))));
}

function beforeOf(attempt) {
  if (attempt.before === null) return [];
  const last = attempt.turns.length ? attempt.turns[attempt.turns.length - 1].text : "";
  if (last === attempt.before) return [made("p", "", made("small", "", "The baseline's answer is the same."))];
  const marked = diff(attempt.before, last);
  if (marked) return labelled("from the baseline's answer to this one", marked);
  return labelled("the baseline's answer", text("", attempt.before));
}

function attemptOf(attempt, alone) {
  return [
    alone ? null : made("h3", "", `Answer ${attempt.attempt}`),
    attempt.error ? text("error", `${attempt.error} ${attempt.detail}`) : null,
    ...attempt.turns.flatMap(turnOf),
    ...beforeOf(attempt),
    attempt.scores.length ? scoresOf(attempt.scores) : null,
  ];
}

function fill(box, one) {
  const wanted = one.asks.flatMap(([name, said]) => labelled(name, text("", said)));
  const about = made("p", "", made("small", "", `${one.tags.join(", ")}${one.weight === 1 ? "" : ` · weight ${one.weight}`}`));
  const asked = wanted.length ? made("details", "", made("summary", "", "What is expected"), ...wanted) : null;
  const attempts = one.attempts.flatMap((attempt) => attemptOf(attempt, one.attempts.length === 1));
  box.append(made("div", "inside", about, asked, ...attempts.filter(Boolean)));
}

function firstOf(one) {
  const turn = one.attempts[0].turns[0];
  return turn ? turn.said.slice(0, 200) : "";
}

function rowOf(one) {
  const name = made("strong", "", one.id);
  const first = made("span", "first", firstOf(one));
  first.dir = "auto";
  const error = one.error ? badge("error") : null;
  const box = made("details", "case", made("summary", "", badge(one.status), error, one.change ? badge(one.change) : null, name, first));
  box.addEventListener("toggle", () => {
    if (box.open && box.children.length === 1) fill(box, one);
  });
  return box;
}

function isWanted(one, wish) {
  if (wish.tag && !one.tags.includes(wish.tag)) return false;
  if (wish.verdict && !(one.status === wish.verdict || one.change === wish.verdict || one[wish.verdict] === true)) return false;
  const lost = (score) => score.metric === wish.metric && score.value !== null && score.value < 1;
  if (wish.metric && !one.attempts.some((attempt) => attempt.scores.some(lost))) return false;
  return !wish.text || one.id.toLowerCase().includes(wish.text) || holds(one, wish.text);
}

function holds(one, wanted) {
  const texts = one.attempts.flatMap((attempt) => attempt.turns.flatMap((turn) => [turn.said, turn.text]));
  return texts.some((said) => said.toLowerCase().includes(wanted));
}

function showMore() {
  list.append(...found.slice(shown, shown + PAGE).map(rowOf));
  shown = Math.min(found.length, shown + PAGE);
  more.hidden = shown === found.length;
  count.textContent = `${found.length} of ${cases.length} cases`;
}

function filter() {
  const wish = Object.fromEntries(new FormData(form));
  wish.text = wish.text.trim().toLowerCase();
  found = cases.filter((one) => isWanted(one, wish));
  list.replaceChildren();
  shown = 0;
  showMore();
}

function openNamed() {
  const [, wanted] = /^#case=(.+)$/.exec(location.hash) || [];
  if (!wanted) return;
  const id = decodeURIComponent(wanted);
  for (const field of form.querySelectorAll("select")) field.value = "";
  form.elements.text.value = id;
  filter();
  found.sort((one, other) => (other.id === id) - (one.id === id));
  list.replaceChildren();
  shown = 0;
  showMore();
  const first = list.firstElementChild;
  if (!first) return;
  first.open = true;
  first.scrollIntoView();
  first.firstElementChild.focus();
}

form.addEventListener("input", filter);
form.addEventListener("reset", () => setTimeout(filter));
form.addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", showMore);
window.addEventListener("hashchange", openNamed);
filter();
openNamed();
