/** The door: log in, or sign up. */

import { Problem, ask } from "./api.js";
import { $, h } from "./dom.js";
import { keepsPasswordRule, showPasswordRule } from "./password.js";

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
  #isNew = false;

  constructor(onentered) {
    this.onentered = onentered;
    $("signing-form").addEventListener("submit", (event) => (event.preventDefault(), this.#submit()));
    $("signing-other").addEventListener("click", () => this.#choose(!this.#isNew));
    $("password").addEventListener("input", () => showPasswordRule($("password").value));
  }

  /** Accounts elsewhere that one may sign in with. */
  offer(providers) {
    $("providers").replaceChildren(...providers.map(({ name, url }) => h("a", { href: url }, `Continue with ${name}`)));
    $("providers").hidden = providers.length === 0;
  }

  show(notice = "") {
    this.#choose(false);
    $("signing-notice").textContent = notice;
    $("signing").hidden = false;
    $("email").focus();
  }

  hide() {
    $("signing").hidden = true;
    $("password").value = "";
  }

  #choose(isNew) {
    this.#isNew = isNew;
    $("signing-title").textContent = isNew ? "Sign up" : "Log in";
    $("signing-submit").textContent = isNew ? "Sign up" : "Log in";
    $("signing-question").textContent = isNew ? "Been here before?" : "New here?";
    $("signing-other").textContent = isNew ? "Log in" : "Sign up";
    $("password-rule").hidden = !isNew;
    $("password").autocomplete = isNew ? "new-password" : "current-password";
    showPasswordRule($("password").value);
    this.#complain({});
  }

  async #submit() {
    const [email, password] = [$("email").value.trim(), $("password").value];
    if (!email) return this.#complain({ email: "Please give your email address." });
    if (this.#isNew && !keepsPasswordRule(password)) return this.#complain({ password: "The password does not keep the rule below yet." });
    this.#complain({});
    $("signing-submit").disabled = true;
    try {
      await ask("POST", this.#isNew ? "auth/page/register" : "auth/page/login", { json: { email, password } });
      this.hide();
      this.onentered();
    } catch (problem) {
      this.#explain(problem);
    } finally {
      $("signing-submit").disabled = false;
    }
  }

  #explain(problem) {
    if (!(problem instanceof Problem)) throw problem;
    const [email, password] = [problem.about("email"), problem.about("password")];
    if (email || password) this.#complain({ email, password });
    else this.#complain(problem.code === "email_taken" ? { email: problem.detail } : { form: problem.detail });
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
