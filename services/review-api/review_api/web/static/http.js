// Calls to the API. Errors say whether trying again can help.

const TIMEOUT_MS = 15_000;

let csrfToken = "";

export class ApiError extends Error {
  constructor(status, code, detail, retryAfterMs = null) {
    super(detail);
    this.status = status; // 0 when no answer came
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  get mayPass() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

// `keepalive`: the request goes on when the page closes.
export async function call(method, path, body, { keepalive = false } = {}) {
  try {
    return await once(method, path, body, keepalive);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 403 || !error.code.includes("csrf")) throw error;
    await me(); // another tab signed in: the token changed
    return once(method, path, body, keepalive);
  }
}

async function once(method, path, body, keepalive = false) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRF-Token"] = csrfToken;
  const init = { method, headers, cache: "no-store", credentials: "same-origin", keepalive };
  if (body !== undefined) init.body = JSON.stringify(body);
  init.signal = AbortSignal.timeout(TIMEOUT_MS);
  let response, answer;
  try {
    response = await fetch(path, init);
    answer = response.status === 204 ? {} : await response.json().catch(() => null);
    if (isStrange(response, answer)) throw new TypeError("whoever answered is not our server");
  } catch {
    throw new ApiError(0, "unreachable", "The server does not answer.");
  }
  if (!response.ok) throw refusal(response, answer);
  return { ...(Array.isArray(answer) ? { list: answer } : answer), serverNow: serverTime(response) };
}

// A page to sign in to the network, a proxy whose server is away: neither took what was sent, nor refused it.
function isStrange(response, answer) {
  if (response.ok) return answer === null;
  return typeof answer?.error !== "string" && response.status < 500 && ![401, 408, 429].includes(response.status);
}

function refusal(response, answer) {
  const seconds = Number(response.headers.get("Retry-After"));
  const detail = typeof answer?.detail === "string" ? answer.detail : `The server answered ${response.status}.`;
  return new ApiError(response.status, answer?.error ?? "error", detail, seconds > 0 ? seconds * 1000 : null);
}

function serverTime(response) {
  const stamp = Date.parse(response.headers.get("Date") ?? "");
  return Number.isNaN(stamp) ? Date.now() : stamp;
}

export async function me() {
  return remember(await once("GET", "/v1/me"));
}

export async function signIn(name, password) {
  const answer = await once("POST", "/v1/login", { name, password });
  csrfToken = answer.csrf_token ?? csrfToken;
  return me();
}

export async function signOut() {
  await call("POST", "/v1/logout", {});
  csrfToken = "";
}

function remember(account) {
  csrfToken = account.csrf_token ?? csrfToken;
  return account;
}

export function segment(text) {
  return encodeURIComponent(text);
}
