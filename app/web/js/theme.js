/** Light or dark: the system's wish until somebody chooses, then the choice. */

const KEY = "milepost.theme";

export function offerThemes(buttons) {
  for (const button of buttons) button.addEventListener("click", toggle);
}

function toggle() {
  const theme = current() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

function current() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}
