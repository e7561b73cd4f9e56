/** On a narrow screen the side list is a drawer over the page. */

import { $ } from "./dom.js";

const narrow = matchMedia("(max-width: 52rem)");

export function openableDrawer() {
  $("open-side").addEventListener("click", () => show(true));
  $("close-side").addEventListener("click", closeDrawer);
  $("scrim").addEventListener("click", closeDrawer);
  narrow.addEventListener("change", closeDrawer);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !isOpen() || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    closeDrawer();
  });
  show(false);
}

export function closeDrawer() {
  const wasOpen = isOpen();
  show(false);
  if (wasOpen) $("open-side").focus();
}

const isOpen = () => $("side").classList.contains("open");

// What lies under the open drawer, or in the shut one, must not take the focus.
function show(open) {
  const opened = open && narrow.matches;
  $("side").classList.toggle("open", opened);
  $("scrim").hidden = !opened;
  $("open-side").setAttribute("aria-expanded", String(opened));
  $("side").inert = narrow.matches && !opened;
  $("road").inert = opened;
  if (opened) $("close-side").focus();
}
