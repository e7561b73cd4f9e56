/** The server's rule for passwords, shown while one is typed; the server has the last word. */

import { $ } from "./dom.js";

const RULE = {
  "rule-length": (password) => [...password].length >= 8 && [...password].length <= 128,
  "rule-upper": (password) => /\p{Lu}/u.test(password),
  "rule-digit": (password) => /\d/.test(password),
  "rule-special": (password) => /[^\p{L}\p{N}\s]/u.test(password),
};

export function showPasswordRule(password) {
  for (const [id, holds] of Object.entries(RULE)) $(id).classList.toggle("met", holds(password));
}

export function keepsPasswordRule(password) {
  return Object.values(RULE).every((holds) => holds(password));
}
