// Where the link of an invitation leads: choose a name and a password, or come in by the provider or the account one has.
import { html, render, useEffect, useRef, useState } from "./ui.js";
import { call, me } from "./http.js";
import { Problem, rolesInWords } from "./forms.js";
import { Blank, Brand } from "./shell.js";

// The secret stands in the fragment, which browsers send to nobody; it leaves the address bar at once.
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
history.replaceState(null, "", location.pathname);

function Invitation() {
  const [offer, setOffer] = useState(undefined);
  const [account, setAccount] = useState(null);
  const [provider, setProvider] = useState(null);
  useEffect(() => {
    call("POST", "/v1/invitation", { token }).then(setOffer, (error) => setOffer(error.mayPass ? error : null));
    me().then(setAccount, () => {});
    call("GET", "/v1/oidc").then((answer) => setProvider(answer.provider), () => {});
  }, []);
  if (offer === undefined) return null;
  if (offer === null || offer instanceof Error) return html`<main><${Nothing} problem=${offer?.message} /></main>`;
  return html`<main class="gate"><div class="card gate-card">
    <${Brand} />
    <h1>You are invited</h1>
    <p>As ${rolesInWords(offer.roles).toLowerCase()} ${offer.project ? html`of <strong>${offer.project}</strong>` : "of all projects"}.</p>
    ${account ? html`<${AsOneself} account=${account} onOther=${() => setAccount(null)} />` : html`<${Newcomer} provider=${provider} />`}
  </div></main>`;
}

function Nothing({ problem }) {
  return html`<${Blank} title=${problem ? "The server does not answer" : "This invitation is over"}>
    <p>${problem ? "Open the link again in a moment." : "It was used or revoked, or has expired. Ask for a new link."}</p>
    <a href="/">Sign in</a>
  </${Blank}>`;
}

function AsOneself({ account, onOther }) {
  const [problem, setProblem] = useState("");
  const join = () => call("POST", "/v1/me/invitation", { token }).then(enter, (error) => setProblem(error.message));
  return html`<button class="primary wide" onClick=${join}>Join as ${account.name}</button>
    <${Problem} text=${problem} />
    <button class="quiet wide" onClick=${onOther}>Make another account</button>`;
}

function Newcomer({ provider }) {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const form = useRef(null);
  const attempt = async (work) => {
    setBusy(true);
    try {
      await work(new FormData(form.current));
    } catch (error) {
      setProblem(error.message);
      setBusy(false);
    }
  };
  const submit = (event) => {
    event.preventDefault();
    attempt(async (given) => {
      await call("POST", "/v1/invitation/accept", { token, name: given.get("name").trim(), password: given.get("password") });
      enter();
    });
  };
  const depart = () => {
    if (!form.current.elements.name.reportValidity()) return;
    attempt(async (given) => {
      const away = await call("POST", "/v1/oidc/start", { invitation: token, name: given.get("name").trim() });
      location.assign(away.url);
    });
  };
  return html`<form class="gate-form" ref=${form} onSubmit=${submit}>
    <label>Name<input name="name" required maxlength="64" pattern="[A-Za-z0-9][A-Za-z0-9._@+\\-]*" title="Letters, digits and . _ @ + -"
      autocomplete="username" autocapitalize="none" spellcheck=${false} autofocus /></label>
    ${provider && html`<button type="button" class="wide" onClick=${depart} disabled=${busy}>Continue with ${provider}</button>
      <p class="fine gate-or">or with a password</p>`}
    <label>Password, 10 characters or more<input name="password" type="password" required minlength="10" maxlength="1024"
      autocomplete="new-password" /></label>
    <${Problem} text=${problem} />
    <button class="primary wide" disabled=${busy}>${busy ? "One moment…" : "Come in"}</button>
  </form>`;
}

function enter() {
  location.assign("/#signed-in");
}

render(html`<${Invitation} />`, document.getElementById("app"));
