/** The door: log in, sign up, or ask for a new password. */

import { Problem, ask } from "./api.js";
import { $, h, say } from "./dom.js";
import { NO_MAIL, askForMail } from "./letters.js";
import { keepsPasswordRule, showPasswordRule } from "./password.js";
import { countDown, secondsInWords } from "./waiting.js";

// What the form is for, what its button says, and what else there is.
const WAYS = {
  login: { title: "Log in", button: "Log in", question: "New here?", other: "register" },
  register: { title: "Sign up", button: "Sign up", question: "Been here before?", other: "login" },
  forgot: { title: "A new password", button: "Mail me a link", question: "Know it again?", other: "login" },
};

// By the code of what went wrong on the way back from an account elsewhere.
const REFUSALS = {
  account_exists: "There is an account with this email already. Log in with its password once, and the two belong together.",
  email_unverified: "Your email address is not confirmed there, so it cannot be used here.",
  provider_unavailable: "Signing in there is not possible now. Try again in a moment.",
};

/** What to say after a failed sign-in elsewhere; nothing where the address tells of none. */
export function refusalIn(hash) {
  const [, code] = /^#\/sign-in\/(\w+)$/.exec(hash) ?? [];
  return code ? (REFUSALS[code] ?? "Signing in there did not succeed. Please try again.") : "";
}

export class Signing {
  #way = "login";
  #sendsMail = true;
  #waiting = null;

  constructor(onentered) {
    this.onentered = onentered;
    $("signing-form").addEventListener("submit", (event) => (event.preventDefault(), this.#submit()));
    $("signing-other").addEventListener("click", () => this.#choose(WAYS[this.#way].other));
    $("forgot").addEventListener("click", () => this.#forget());
    // Who has to wait is an account, most of the time.
    $("email").addEventListener("input", () => this.#endWait());
    $("password").addEventListener("input", () => showPasswordRule($("password").value));
  }

  /** Accounts elsewhere that one may sign in with, and whether the server can mail links. */
  offer({ providers, sends_mail }) {
    $("providers").replaceChildren(...providers.map(({ name, url }) => h("a", { href: url }, `Continue with ${name}`)));
    $("providers").hidden = providers.length === 0;
    this.#sendsMail = sends_mail;
  }

  show(notice = "") {
    this.#choose("login");
    $("signing-notice").textContent = notice;
    $("signing").hidden = false;
    $("email").focus();
  }

  hide() {
    $("signing").hidden = true;
    $("password").value = "";
  }

  #choose(way) {
    this.#way = way;
    const { title, button, question, other } = WAYS[way];
    $("signing-title").textContent = title;
    $("signing-submit").textContent = button;
    $("signing-question").textContent = question;
    $("signing-other").textContent = WAYS[other].title;
    $("secret").hidden = way === "forgot";
    $("forgotten").hidden = way !== "login";
    $("password-rule").hidden = way !== "register";
    $("password").autocomplete = way === "register" ? "new-password" : "current-password";
    showPasswordRule($("password").value);
    this.#endWait();
    this.#complain({});
  }

  #forget() {
    if (this.#sendsMail) this.#choose("forgot");
    else this.#complain({ form: NO_MAIL });
    if (this.#sendsMail) $("email").focus();
  }

  async #submit() {
    const [email, password] = [$("email").value.trim(), $("password").value];
    if (!email) return this.#complain({ email: "Please give your email address." });
    if (this.#way === "register" && !keepsPasswordRule(password)) return this.#complain({ password: "The password does not keep the rule below yet." });
    this.#complain({});
    $("signing-submit").disabled = true;
    const problem = await this.#send({ email, password }).catch((error) => error);
    $("signing-submit").disabled = false;
    $("signing-wait").textContent = "";
    if (problem) this.#explain(problem);
  }

  async #send(json) {
    const onwait = (left) => {
      $("signing-wait").textContent = `Too many requests: trying again in ${secondsInWords(left)}.`;
      say("Too many requests. They are tried again in a moment.");
    };
    if (this.#way === "forgot") {
      $("signing-notice").textContent = await askForMail("password/forgot", json.email, { onwait });
    } else {
      await ask("POST", `auth/page/${this.#way}`, { json, onwait });
      this.hide();
      this.onentered();
    }
  }

  #explain(problem) {
    if (!(problem instanceof Problem)) throw problem;
    const [email, password] = [problem.about("email"), problem.about("password")];
    if (email || password) this.#complain({ email, password });
    else this.#complain(problem.code === "email_taken" ? { email: problem.detail } : { form: problem.detail });
    if (problem.status === 429 && problem.retryAfter > 0) this.#wait(problem.retryAfter);
  }

  /** Nothing that is sent before then is looked at. */
  async #wait(seconds) {
    const { signal } = (this.#waiting = new AbortController());
    $("signing-submit").disabled = true;
    await countDown(seconds, (left) => ($("signing-wait").textContent = `You can try again in ${secondsInWords(left)}.`), signal);
    if (signal.aborted) return;
    this.#endWait();
    this.#complain({});
    $("signing-notice").textContent = "You can try again now.";
  }

  #endWait() {
    if (!this.#waiting) return;
    this.#waiting.abort();
    this.#waiting = null;
    $("signing-wait").textContent = "";
    $("signing-submit").disabled = false;
  }

  #complain({ email = "", password = "", form = "" }) {
    $("signing-notice").textContent = "";
    $("signing-error").textContent = form;
    for (const [id, complaint] of Object.entries({ email, password })) {
      $(`${id}-error`).textContent = complaint;
      $(id).setAttribute("aria-invalid", String(complaint !== ""));
    }
    if (email) $("email").focus();
    else if (password) $("password").focus();
  }
}
