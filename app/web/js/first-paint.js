// A classic script on purpose: it runs before the first paint, so that a remembered theme does not flash the other one.
try {
  const theme = localStorage.getItem("milepost.theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme will do.
}
