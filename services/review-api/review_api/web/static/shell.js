// What all pages share: the brand, the sign-in, and the states in which there is nothing to show.
import { html, useEffect, useRef, useState } from "./ui.js";
import { call, signIn } from "./http.js";

export function Brand() {
  return html`<span class="brand"><${Logo} />labelmill</span>`;
}

function Logo() {
  return html`<svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
    <rect class="logo-ground" width="32" height="32" rx="8" />
    <path class="logo-sail" d="M15 14.6V5.5A7.5 7.5 0 0 0 8.6 12zM17 17.4v9.1a7.5 7.5 0 0 0 6.4-6.5z" />
    <path class="logo-sail logo-sail-far" d="M17.4 15h9.1A7.5 7.5 0 0 0 20 8.6zM14.6 17H5.5a7.5 7.5 0 0 0 6.5 6.4z" />
    <circle class="logo-hub" cx="16" cy="16" r="1.7" />
  </svg>`;
}

// `waiting` are the answers kept in this browser, by account: their owner may be somebody else.
export function SignIn({ onSignedIn, waiting = new Map() }) {
  const [problem, setProblem] = useState(reasonOfProvider);
  const [busy, setBusy] = useState(false);
  const [provider, setProvider] = useState(null);
  const form = useRef(null);
  useEffect(() => {
    call("GET", "/v1/oidc").then((answer) => setProvider(answer.provider), () => {});
  }, []);
  const depart = () => call("POST", "/v1/oidc/start", {}).then((away) => location.assign(away.url), (error) => setProblem(error.message));
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    const given = new FormData(form.current);
    try {
      onSignedIn(await signIn(given.get("name"), given.get("password")));
    } catch (error) {
      setProblem(explain(error));
      setBusy(false);
    }
  };
  return html`<main class="gate">
    <form class="card gate-card" ref=${form} onSubmit=${submit}>
      <${Brand} />
      <h1>Sign in</h1>
      ${[...waiting].map(([name, number]) => html`<p key=${name} class="gate-note">${answersWaiting(name, number)}</p>`)}
      <label>Name<input name="name" autocomplete="username" autocapitalize="none" spellcheck=${false} required autofocus /></label>
      <label>Password<input name="password" type="password" autocomplete="current-password" required /></label>
      <p class="problem" role="alert">${problem}</p>
      <button class="primary" disabled=${busy}>${busy ? "Signing in…" : "Sign in"}</button>
      ${provider && html`<button type="button" onClick=${depart}>Continue with ${provider}</button>`}
    </form>
  </main>`;
}

const REFUSED = {
  not_invited: "Nobody has invited this account of your provider. Open the link of an invitation first.",
  identity_taken: "This account of your provider belongs to somebody else here.",
  name_taken: "The name is taken. Open the invitation again and choose another.",
  unknown_invitation: "This invitation was used or revoked, or has expired.",
};

// Why the provider's sign-in failed, once: the server sends the browser back with the reason in the fragment.
function reasonOfProvider() {
  const reason = new URLSearchParams(location.hash.slice(1)).get("sign-in");
  if (reason === null) return "";
  history.replaceState(null, "", location.pathname + location.search);
  return REFUSED[reason] ?? "Signing in at your provider did not work. Try again.";
}

function explain(error) {
  if (error.status === 401 || error.status === 403) return "This name and password do not match.";
  if (error.status === 429) return "Too many tries. Wait a minute, then try again.";
  if (error.mayPass) return "The server does not answer. Try again in a moment.";
  return error.message;
}

function answersWaiting(name, number) {
  return number === 1
    ? `One answer by ${name} is kept in this browser. It is sent once ${name} signs in.`
    : `${number} answers by ${name} are kept in this browser. They are sent once ${name} signs in.`;
}

export function Blank({ title, children, picture = "mill" }) {
  return html`<section class="blank">
    <svg class="blank-picture blank-${picture}" viewBox="0 0 120 72" aria-hidden="true">
      <path class="blank-ground" d="M6 62h108" />
      <path class="blank-stack" d="M26 62V50h20v12M52 62V40h20v22M78 62V54h20v8" />
      <path class="blank-sail" d="M62 22V6a12 12 0 0 0-11 11zM62 22h16a12 12 0 0 0-11-11zM62 22v16a12 12 0 0 0 11-11zM62 22H46a12 12 0 0 0 11 11z" />
    </svg>
    <h1>${title}</h1>
    ${children}
  </section>`;
}

export function Unreachable({ onRetry }) {
  return html`<main><${Blank} title="The server does not answer">
    <p>This page tries again by itself every few seconds.</p>
    <button class="primary" onClick=${onRetry}>Try now</button>
  </${Blank}></main>`;
}

export function NoProject() {
  return html`<${Blank} title="No project yet">
    <p>A manager adds one with <code>labelmill project apply my.yaml</code>. It shows here by itself.</p>
  </${Blank}>`;
}
