/** One message out, its run's events back. */

import { Problem, send } from "./api.js";
import { readFrames } from "./sse.js";

/** Yield the run's events as {sequence, type, …data} up to and with `end`; throw a Problem if the stream breaks off before. */
export async function* chat(sessionId, { message, model }, signal) {
  const json = model ? { message, model } : { message };
  const response = await send("POST", `sessions/${sessionId}/chat/stream`, { json, signal });
  yield* readRun(response.body, signal);
}

async function* readRun(body, signal) {
  try {
    for await (const { id, type, data } of readFrames(body)) {
      yield { ...JSON.parse(data), sequence: Number(id), type };
      if (type === "end") return;
    }
  } catch (error) {
    throw signal.aborted ? error : brokenOff();
  }
  throw brokenOff();
}

function brokenOff() {
  return new Problem({ code: "stream_broken", detail: "The connection broke off in the middle of the answer." });
}
