/** Where a link in a mail leads: a new password, or a button that says the email is one's own; or to another link, when it is not good. */

import { Problem, ask } from "./api.js";
import { $ } from "./dom.js";
import { NO_MAIL, askForMail } from "./letters.js";
import { keepsPasswordRule, showPasswordRule } from "./password.js";

const RESET = {
  title: "A new password",
  button: "Set password",
  done: "Your password is changed, and you are logged out everywhere.",
  send: (token) => ask("POST", "auth/password/reset", { json: { token, new_password: $("password").value } }),
  mail: "password/forgot",
};
// A button, for programs that look at mail open its links.
const VERIFY = {
  title: "Is this your email?",
  button: "Yes, it is mine",
  done: "Thank you. Your email is verified.",
  send: (token) => ask("POST", "auth/email/verify", { json: { token } }),
  mail: "email/resend",
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
let submit = useLink;
$("signing-form").addEventListener("submit", (event) => (event.preventDefault(), submit()));
if (!token) offerAnother("This link is not whole.");

async function useLink() {
  complain({});
  if (isReset && !keepsPasswordRule($("password").value)) return complain({ password: "The password does not keep the rule below yet." });
  await trying(async () => {
    await page.send(token);
    $("signing-notice").textContent = page.done;
    $("new-password").hidden = $("signing-submit").hidden = true;
  });
  $("password").value = "";
}

/** No link but another one is good now. */
async function offerAnother(reason) {
  submit = askForAnother;
  $("new-password").hidden = true;
  $("signing-submit").hidden = true;
  complain({ form: reason });
  await trying(async () => {
    const { sends_mail } = await ask("GET", "auth/page");
    complain({ form: sends_mail ? `${reason} Ask for another one.` : `${reason} ${NO_MAIL}` });
    $("another").hidden = $("signing-submit").hidden = !sends_mail;
    $("signing-submit").textContent = "Mail me a link";
  });
}

async function askForAnother() {
  const email = $("email").value.trim();
  complain(email ? {} : { email: "Please give your email address." });
  if (!email) return;
  await trying(async () => {
    $("signing-notice").textContent = await askForMail(page.mail, email);
  });
}

async function trying(deed) {
  $("signing-submit").disabled = true;
  try {
    await deed();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.code === "link_invalid") await offerAnother(problem.detail);
    else explain(problem);
  } finally {
    $("signing-submit").disabled = false;
  }
}

function explain(problem) {
  const [password, email] = [problem.about("new_password"), problem.about("email")];
  complain({ password, email, form: password || email ? "" : problem.detail });
}

function complain({ password = "", email = "", form = "" }) {
  $("signing-notice").textContent = "";
  for (const [id, complaint] of Object.entries({ password, email })) {
    $(`${id}-error`).textContent = complaint;
    $(id).setAttribute("aria-invalid", String(complaint !== ""));
  }
  $("signing-error").textContent = form;
}
