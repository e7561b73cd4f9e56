/** Where a link in a mail leads: a new password, or a button that says the email is one's own. */

import { Problem, ask } from "./api.js";
import { $ } from "./dom.js";
import { keepsPasswordRule, showPasswordRule } from "./password.js";

const RESET = {
  title: "A new password",
  button: "Set password",
  done: "Your password is changed, and you are logged out everywhere.",
  send: (token) => ask("POST", "auth/password/reset", { json: { token, new_password: $("password").value } }),
};
// A button, for programs that look at mail open its links.
const VERIFY = {
  title: "Is this your email?",
  button: "Yes, it is mine",
  done: "Thank you. Your email is verified.",
  send: (token) => ask("POST", "auth/email/verify", { json: { token } }),
};

const isReset = location.pathname === "/reset-password";
const page = isReset ? RESET : VERIFY;
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
history.replaceState(null, "", location.pathname); // no longer where somebody could look over a shoulder
window.addEventListener("hashchange", () => location.reload()); // another link, in the same tab

document.title = `${page.title} · Milepost`;
$("signing-title").textContent = page.title;
$("signing-submit").textContent = page.button;
$("new-password").hidden = !isReset;
$("password").addEventListener("input", () => showPasswordRule($("password").value));
$("signing-form").addEventListener("submit", (event) => (event.preventDefault(), submit()));

async function submit() {
  complain({});
  if (isReset && !keepsPasswordRule($("password").value)) return complain({ password: "The password does not keep the rule below yet." });
  $("signing-submit").disabled = true;
  try {
    await page.send(token);
    $("signing-notice").textContent = page.done;
    $("new-password").hidden = $("signing-submit").hidden = true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    complain({ password: problem.about("new_password"), form: problem.about("new_password") ? "" : problem.detail });
  } finally {
    $("password").value = "";
    $("signing-submit").disabled = false;
  }
}

function complain({ password = "", form = "" }) {
  $("password-error").textContent = password;
  $("password").setAttribute("aria-invalid", String(password !== ""));
  $("signing-error").textContent = form;
}
