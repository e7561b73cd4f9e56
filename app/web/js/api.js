/** The server's API: one function that asks, one error that says what went wrong. */

import { countDown } from "./waiting.js";

const ROOT = "/api/v1/";
const MOST_PATIENCE_SECONDS = 10;
const MOST_TRIES = 3;

// Who we are is in a cookie that no script can read; this header, which no other page may send, says that it is us who ask.
const OURS = { "X-Milepost-CSRF": "1" };

/** Hears `logged-out` when the server no longer knows us. */
export const door = new EventTarget();

/** What a problem+json document says, or that there was no answer at all (status 0). */
export class Problem extends Error {
  constructor({ status = 0, code, detail, errors = [], request_id = null, retry_after = 0, resets_at = null }) {
    super(detail);
    Object.assign(this, { status, code, detail, errors, requestId: request_id, retryAfter: retry_after, resetsAt: resets_at });
  }

  get retryable() {
    return this.status === 0 || this.status === 429 || this.status >= 500 || this.code === "session_busy";
  }

  /** The sentence about one field of the request, if there is one. */
  about(field) {
    return this.errors.find((error) => error.field === field)?.message;
  }
}

/** Answer with the JSON body, or null where there is none; throw a Problem, or AbortError if `signal` fired. */
export async function ask(method, path, options) {
  const response = await send(method, path, options);
  if (response.status === 204 || response.headers.get("Content-Length") === "0") return null;
  return response.json().catch(() => {
    throw unreadable(response);
  });
}

/**
 * As `ask`, with the response itself, whose body may be a stream. Who is asked to wait a moment waits, and asks again;
 * `onwait` hears the seconds that are left of it.
 */
export async function send(method, path, options) {
  for (let tries = 1; ; tries++) {
    try {
      return await sendOnce(method, path, options);
    } catch (problem) {
      const isSoon = problem.code === "rate_limited" && problem.retryAfter <= MOST_PATIENCE_SECONDS;
      if (!isSoon || tries === MOST_TRIES || options?.signal?.aborted) throw problem;
      await countDown(problem.retryAfter, options?.onwait ?? (() => {}), options?.signal);
    }
  }
}

async function sendOnce(method, path, { json, file, signal, headers: more } = {}) {
  const headers = { ...OURS, ...more };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  const body = file ?? (json && JSON.stringify(json));
  const response = await fetch(ROOT + path, { method, headers, body, signal }).catch(unreachable);
  if (response.ok) return response;
  const problem = await readProblem(response);
  if (problem.code === "not_authenticated") door.dispatchEvent(new Event("logged-out"));
  throw problem;
}

function unreachable(error) {
  if (error.name === "AbortError") throw error;
  throw new Problem({ code: "unreachable", detail: "The server cannot be reached. Is it running, and are you online?" });
}

async function readProblem(response) {
  const document = await response.json().catch(() => null);
  const retry_after = Number(response.headers.get("Retry-After")) || 0;
  return document?.code ? new Problem({ retry_after, ...document, status: response.status }) : unreadable(response);
}

function unreadable(response) {
  return new Problem({ status: response.status, code: "unreadable", detail: `The server's answer made no sense (status ${response.status}).` });
}
