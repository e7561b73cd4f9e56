/** A request that starts a run, and the run's events back, whatever happens to the connection in between. */

import { Problem, send } from "./api.js";
import { readFrames } from "./sse.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;
const PASSING_STATUSES = [0, 502, 503, 504];

/**
 * Post to a stream's `path` and yield its run's events {sequence, type, …data} up to and with `end`; throw a Problem if it is not taken.
 * Sent again with the same `key`, it starts one run. `link` has a signal to leave by, and hears begun(runId) before the first event,
 * lost(true) and lost(false).
 */
export function start(path, json, key, link) {
  const options = { json, headers: { "Idempotency-Key": key }, signal: link.signal };
  return follow(null, () => send("POST", path, options), link);
}

/** Yield the events, from the first one on, of a run that somebody has started. */
export function listen(runId, link) {
  return follow(runId, null, link);
}

export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function* follow(runId, begin, link) {
  let last = 0;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      const response = await (runId ? readOn(runId, last, link.signal) : begin());
      runId = response.headers.get("X-Run-ID");
      link.begun(runId);
      link.lost(false);
      for await (const { id, type, data } of readFrames(response.body)) {
        pause = FIRST_PAUSE_MS;
        last = Number(id);
        yield { ...JSON.parse(data), sequence: last, type };
        if (type === "end") return;
      }
    } catch (error) {
      if (link.signal.aborted || !runId || !isPassing(error)) throw error;
    }
    link.lost(true);
    await rest(pause, link.signal);
  }
}

function readOn(runId, last, signal) {
  return send("GET", `runs/${runId}/stream`, { headers: { "Last-Event-ID": String(last) }, signal });
}

/** Whether the connection may come back; a body that breaks off is a TypeError. */
function isPassing(error) {
  return error instanceof Problem ? PASSING_STATUSES.includes(error.status) : error instanceof TypeError;
}

/** Wait, unevenly so that many pages do not come back at once, or until the browser is online again. */
function rest(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds * (0.5 + Math.random() / 2));
    addEventListener("online", resolve, { once: true, signal });
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
