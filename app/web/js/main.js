/** The page begins here: those who are logged in go to their sessions, the others to the door. */

import { Problem, door } from "./api.js";
import { forgetTokens, isLoggedIn } from "./auth.js";
import { $ } from "./dom.js";
import { openableDrawer } from "./drawer.js";
import { errorCard } from "./error-card.js";
import { Signing } from "./signing.js";
import { offerThemes } from "./theme.js";
import { Workspace } from "./workspace.js";

offerThemes(document.querySelectorAll(".theme-toggle"));
openableDrawer();

const workspace = new Workspace();
const signing = new Signing(enter);

$("log-out").addEventListener("click", () => {
  workspace.composer.restore("");
  history.replaceState(null, "", location.pathname);
  leave();
});
door.addEventListener("logged-out", () => leave("You have been logged out. Please log in again."));

if (isLoggedIn()) enter();
else leave();

async function enter() {
  $("opening").replaceChildren();
  try {
    await workspace.open();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status !== 401) $("opening").replaceChildren(errorCard(problem, enter));
  }
}

function leave(notice) {
  forgetTokens();
  workspace.close();
  signing.show(notice);
}
