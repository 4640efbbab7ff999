// One's own account: password, tokens, the provider of sign-ins, and signing out everywhere.
import { html, render, useCallback, useEffect, useRef, useState } from "./ui.js";
import { TopBar } from "./bar.js";
import { call, me } from "./http.js";
import { Problem, Secret, rolesInWords, useAction } from "./forms.js";
import { date, dateTime } from "./format.js";
import { useSession } from "./session.js";
import { SignIn, Unreachable } from "./shell.js";

const SCOPES = [
  ["read", "Read", "projects, figures, labels"],
  ["review", "Review", "claim and decide tasks"],
  ["ingest", "Ingest", "send items"],
  ["manage", "Manage", "projects and their people"],
  ["admin", "Administer", "accounts and the audit log"],
];
const SCOPES_OF = { reviewer: ["read", "review"], manager: ["read", "ingest", "manage"], service: ["read", "ingest"] };
const DAYS = [[30, "A month"], [90, "Three months"], [365, "A year"], ["", "For good"]];

function AccountPage() {
  const session = useSession();
  const { account } = session;
  if (account === null) return html`<${SignIn} onSignedIn=${session.setAccount} />`;
  if (account === undefined) return session.unreachable ? html`<${Unreachable} onRetry=${session.retry} />` : null;
  return html`<${TopBar} page="account" session=${session} />
    <main class="page narrow people">
      <h1>Your account</h1>
      <p class="people-lead">Signed in as <strong>${account.name}</strong>, ${inWords(account)}.</p>
      <${Password} onExpired=${session.expired} />
      <${Tokens} account=${account} onExpired=${session.expired} />
      <${SignIns} onExpired=${session.expired} />
    </main>`;
}

function inWords({ roles, memberships }) {
  const single = Object.entries(memberships).map(([project, held]) => `${rolesInWords(held).toLowerCase()} in ${project}`);
  const all = roles.length > 0 ? [`${rolesInWords(roles).toLowerCase()} in all projects`] : [];
  return [...all, ...single].join(", ") || "without a role so far";
}

function Password({ onExpired }) {
  const [done, setDone] = useState(false);
  const [act, problem] = useAction(me, onExpired);
  const form = useRef(null);
  const change = async (event) => {
    event.preventDefault();
    setDone(false);
    const given = new FormData(form.current);
    const body = { old: given.get("old"), new: given.get("new") };
    if (!(await act(() => call("POST", "/v1/me/password", body)))) return;
    form.current.reset();
    setDone(true);
  };
  return html`<section class="card people-part" aria-labelledby="password-heading">
    <header><h2 id="password-heading">Password</h2>
      <p class="fine">A new one signs you out in every other browser.</p></header>
    <form class="people-form" ref=${form} onSubmit=${change}>
      <label class="people-grow">So far<input name="old" type="password" required autocomplete="current-password" /></label>
      <label class="people-grow">New, 10 characters or more<input name="new" type="password" required minlength="10"
        autocomplete="new-password" /></label>
      <button>Change</button>
    </form>
    <${Problem} text=${problem} />
    <p role="status" class="people-done">${done && "The password is changed."}</p>
  </section>`;
}

function Tokens({ account, onExpired }) {
  const [tokens, setTokens] = useState(null);
  const [secret, setSecret] = useState("");
  const load = useCallback(async () => setTokens((await call("GET", "/v1/me/tokens")).tokens), []);
  const [act, problem] = useAction(load, onExpired);
  useEffect(() => {
    act(() => null);
  }, []);
  const form = useRef(null);
  const make = async (event) => {
    event.preventDefault();
    const given = new FormData(form.current);
    const body = { label: given.get("label").trim(), scopes: given.getAll("scopes") };
    if (given.get("days")) body.expires_in_days = Number(given.get("days"));
    const made = await act(() => call("POST", "/v1/me/tokens", body));
    if (!made) return;
    setSecret(made.token);
    form.current.reset();
  };
  return html`<section class="card people-part" aria-labelledby="tokens-heading">
    <header><h2 id="tokens-heading">Tokens</h2>
      <p class="fine">For programs that act in your name. None of them may do more than you.</p></header>
    <form class="people-form" ref=${form} onSubmit=${make}>
      <label class="people-grow">What it is for<input name="label" required maxlength="100" autocomplete="off" /></label>
      <label>Good for<select name="days">${DAYS.map(([days, words]) => html`<option key=${words} value=${days}
        defaultSelected=${days === 90}>${words}</option>`)}</select></label>
      <fieldset class="scopes"><legend>What it may do</legend>
        ${scopesOf(account).map(([scope, title, what]) => html`<label key=${scope}><input type="checkbox" name="scopes" value=${scope}
          defaultChecked=${scope === "read"} /><span>${title} <span class="fine">${what}</span></span></label>`)}
      </fieldset>
      <button>Make a token</button>
    </form>
    <${Problem} text=${problem} />
    ${secret && html`<${Secret} label="The token" value=${secret} note="It is shown this once." />`}
    ${tokens?.length === 0 && html`<p class="fine">You have none.</p>`}
    <ul class="people-rows">
      ${tokens?.map((token) => html`<${TokenRow} key=${token.token_id} token=${token}
        onRevoke=${() => act(() => call("DELETE", `/v1/me/tokens/${token.token_id}`))} />`)}
    </ul>
  </section>`;
}

function scopesOf({ roles, memberships }) {
  const held = [...roles, ...Object.values(memberships).flat()];
  if (held.includes("admin")) return SCOPES;
  const useful = new Set(held.flatMap((role) => SCOPES_OF[role] ?? []));
  return SCOPES.filter(([scope]) => useful.has(scope));
}

function TokenRow({ token, onRevoke }) {
  const { label, scopes, expires_at: end, last_used: used } = token;
  const facts = [
    scopes?.join(", ") ?? "everything you may",
    end === null ? "does not expire" : end <= Date.now() ? "has expired" : `good until ${dateTime(end)}`,
    used ? `last used on ${date(used)}` : "never used",
  ];
  return html`<li class="people-row">
    <div class="people-who"><strong>${label}</strong><span class="fine">${facts.join(" · ")}</span></div>
    <div class="people-acts"><button class="quiet" onClick=${onRevoke} aria-label=${`Revoke ${label}`}>Revoke</button></div>
  </li>`;
}

function SignIns({ onExpired }) {
  const [provider, setProvider] = useState(null);
  const [act, problem] = useAction(async () => {}, onExpired);
  useEffect(() => {
    call("GET", "/v1/oidc").then((answer) => setProvider(answer.provider), () => {});
  }, []);
  const link = async () => {
    const away = await act(() => call("POST", "/v1/me/identity", {}));
    if (away) location.assign(away.url);
  };
  const leave = async () => {
    if (await act(() => call("DELETE", "/v1/me/sessions"))) onExpired();
  };
  return html`<section class="card people-part" aria-labelledby="sign-ins-heading">
    <header><h2 id="sign-ins-heading">Signing in</h2></header>
    <div class="people-buttons">
      ${provider && html`<button onClick=${link}>Link to ${provider}</button>`}
      <button onClick=${leave}>Sign out everywhere</button>
    </div>
    <${Problem} text=${problem} />
  </section>`;
}

render(html`<${AccountPage} />`, document.getElementById("app"));
