/** The page begins here: those who are logged in go to their sessions, the others to the door. */

import { Problem, ask, door } from "./api.js";
import { $ } from "./dom.js";
import { openableDrawer } from "./drawer.js";
import { errorCard } from "./error-card.js";
import { Signing, refusalIn } from "./signing.js";
import { offerThemes } from "./theme.js";
import { Workspace } from "./workspace.js";

offerThemes(document.querySelectorAll(".theme-toggle"));
openableDrawer();

const workspace = new Workspace();
const signing = new Signing(enter);

$("log-out").addEventListener("click", logOut);
door.addEventListener("logged-out", () => leave("You have been logged out. Please log in again."));
start();

async function start() {
  await trying(start, async () => {
    const { user, ...ways } = await ask("GET", "auth/page");
    const refusal = refusalIn(location.hash);
    if (refusal) history.replaceState(null, "", location.pathname);
    signing.offer(ways);
    await (user ? enter() : leave(refusal));
  });
}

async function enter() {
  await trying(enter, () => workspace.open());
}

// Only the server can end the login: who is still logged in must not be shown the door.
async function logOut() {
  await trying(logOut, async () => {
    await ask("POST", "auth/page/logout");
    workspace.composer.restore("");
    history.replaceState(null, "", location.pathname);
    leave();
  });
}

async function trying(again, deed) {
  $("opening").replaceChildren();
  try {
    await deed();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status !== 401) $("opening").replaceChildren(errorCard(problem, again));
  }
}

function leave(notice) {
  workspace.close();
  signing.show(notice);
}
