/** Waiting, in words and in seconds. */

const MINUTE_SECONDS = 60;

/** Tell how many seconds are left, at once and as they go; resolve when none are, or when `signal` fires. */
export function countDown(seconds, tell, signal) {
  const end = Date.now() + seconds * 1000;
  return new Promise((resolve) => {
    const stop = () => (clearInterval(ticking), resolve());
    // By the clock: a page in the background, or a machine asleep, ticks late.
    const tick = () => (Date.now() < end ? tell(Math.ceil((end - Date.now()) / 1000)) : stop());
    const ticking = setInterval(tick, 250);
    signal?.addEventListener("abort", stop, { once: true });
    tick();
  });
}

export function secondsInWords(seconds) {
  const minutes = Math.floor(seconds / MINUTE_SECONDS);
  return minutes > 0 ? `${minutes} min ${seconds % MINUTE_SECONDS} s` : `${seconds} s`;
}

/** When a wait is over, on the reader's own clock: "at 14:05", with the day where that is another one. */
export function momentInWords(moment) {
  const time = moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (moment.toDateString() === new Date().toDateString()) return `at ${time}`;
  return `on ${moment.toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long" })} at ${time}`;
}
