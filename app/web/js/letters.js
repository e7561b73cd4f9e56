/** Mail that somebody asks for: the words are the same whether there is such an account or not. */

import { ask } from "./api.js";

export const NO_MAIL = "This server sends no mail. Ask whoever runs it.";

/** Ask for the mail of "password/forgot" or "email/resend"; answer with what to say. */
export async function askForMail(what, email, options) {
  await ask("POST", `auth/${what}`, { json: { email }, ...options });
  return "If there is such an account, a mail is on its way. It may take a minute.";
}
