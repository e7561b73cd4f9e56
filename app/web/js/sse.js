/** Server-sent events from a fetch body, since EventSource can neither POST nor send a header (HTML standard, 9.2.6). */

/** Yield {id, type, data} for each complete frame; chunks may be cut anywhere. */
export async function* readFrames(body) {
  let frame = newFrame(null);
  for await (const line of readLines(body)) {
    if (line !== "") {
      readField(frame, line);
      continue;
    }
    if (frame.data.length > 0) yield { ...frame, data: frame.data.join("\n") };
    frame = newFrame(frame.id);
  }
}

const newFrame = (id) => ({ id, type: "message", data: [] });

function readField(frame, line) {
  const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
  if (field === "data") frame.data.push(value);
  if (field === "event") frame.type = value;
  if (field === "id") frame.id = value;
}

async function* readLines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      // A CR at the very end may be the first half of a CRLF.
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      yield* lines;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
