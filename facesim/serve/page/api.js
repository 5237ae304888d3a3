/** Ask the server: its JSON, or its sentence about what is wrong. */

const TRIES = 4; // while the server is busy

export class Problem extends Error {
  /** `photo` is the field that is to blame, "photo1" say, where the server knows it. */
  constructor(sentence, status = 0, photo = null) {
    super(sentence);
    this.status = status;
    this.photo = photo;
  }
}

/** Return the JSON at `path`. `form` is sent as a form, a list as several fields of one name; `json` as JSON. */
export async function ask(path, { method = "GET", form, json, signal } = {}) {
  for (let left = TRIES; ; left--) {
    const response = await send(path, method, form, json, signal);
    if (response.ok) return response.status === 204 ? null : response.json();
    if (response.status === 401) location.reload(); // the token is asked for again
    if (response.status === 503 && left > 1) {
      await later(Number(response.headers.get("Retry-After")) || 1, signal);
      continue;
    }
    const problem = await response.json().catch(() => ({}));
    throw new Problem(sentence(problem.detail || problem.title || "The server failed."), response.status, problem.photo);
  }
}

async function send(path, method, form, json, signal) {
  const options = { method, signal };
  if (form) {
    options.body = new FormData();
    for (const [name, value] of Object.entries(form)) {
      for (const one of [value].flat()) options.body.append(name, one);
    }
  } else if (json) {
    options.body = JSON.stringify(json);
    options.headers = { "Content-Type": "application/json" };
  }
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("facesim does not answer: is facesim serve still running?");
  }
}

function later(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)));
  });
}

/** Return a text that begins with a capital, as on a page. */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
