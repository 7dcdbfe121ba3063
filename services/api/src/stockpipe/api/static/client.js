// Talks to the API: the key, errors as sentences, and the stream of what is new.

const KEY = "key";

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

function headers() {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function refused(answer) {
  const body = await answer.json().catch(() => ({}));
  return new Problem(answer.status, body.detail ?? `the API answers ${answer.status}`);
}

export async function get(path, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  const answer = await fetch(query ? `${path}?${query}` : path, { headers: headers() }).catch(() => {
    throw new Problem(0, "the API can't be reached");
  });
  if (answer.status === 401) {
    await signIn();
    return get(path, parameters);
  }
  if (!answer.ok) throw await refused(answer);
  return answer.json();
}

let asking = null;

// Asks for a key once, whoever needs it, and resolves when the API takes it.
export function signIn() {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("sign-in");
    const field = document.getElementById("key");
    const error = document.getElementById("sign-in-error");
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.querySelector("form").onsubmit = async (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, field.value.trim());
      const answer = await fetch("/v1/symbols?limit=1", { headers: headers() });
      if (answer.status === 401) {
        sessionStorage.removeItem(KEY);
        error.textContent = "This key is unknown or revoked.";
        return;
      }
      field.value = "";
      dialog.close();
      asking = null;
      resolve();
    };
    dialog.showModal();
    field.focus();
  });
  return asking;
}

// Calls on[event](data) for every event, and on.state("live" | "lost") as the connection comes and goes; never gives up.
export async function listen(on) {
  for (let failures = 0; ; failures++) {
    try {
      const answer = await fetch("/v1/stream", { headers: headers(), cache: "no-store" });
      if (answer.status === 401) await signIn();
      else if (!answer.ok) throw await refused(answer);
      else {
        on.state("live");
        failures = 0;
        await read(answer.body, on);
      }
    } catch {
      // falls through to the next try
    }
    on.state("lost");
    await new Promise((resolve) => setTimeout(resolve, Math.min(500 * 2 ** failures, 4000)));
  }
}

async function read(body, on) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const events = rest.split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const fields = Object.fromEntries(event.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
      if (fields.data) on[fields.event]?.(JSON.parse(fields.data));
    }
  }
}
