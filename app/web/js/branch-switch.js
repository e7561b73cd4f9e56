/** Where a turn was said more than once: which of them is shown, and the way to the others. */

import { h, icon } from "./dom.js";

/** `go` hears the run of the turn to show. */
export function branchSwitch(runIds, shownId, go) {
  const place = runIds.indexOf(shownId);
  return h(
    "div",
    { class: "switch", role: "group", "aria-label": "Versions of this turn" },
    step("Earlier version", "back", runIds[place - 1], go),
    h("span", { class: "switch-number" }, `${place + 1}/${runIds.length}`),
    step("Later version", "chevron", runIds[place + 1], go),
  );
}

function step(label, iconName, runId, go) {
  const attributes = { type: "button", class: "quiet", title: label, "aria-label": label, disabled: !runId };
  return h("button", { ...attributes, onclick: () => go(runId) }, icon(iconName));
}
