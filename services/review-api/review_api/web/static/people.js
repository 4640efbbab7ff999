// Who may do what in the project: its members, the invitations to it, and for admins the log of all such acts.
import { html, useRef, useState } from "./ui.js";
import { mount } from "./page.js";
import { call, segment } from "./http.js";
import { AuditLog } from "./audit.js";
import { EXPIRIES, Problem, RoleChoice, Secret, rolesInWords, useAction, useLoaded } from "./forms.js";
import { dateTime, plural } from "./format.js";
import { mayManage } from "./session.js";
import { Blank } from "./shell.js";
import { Skills } from "./skills.js";

function People({ account, project, onExpired }) {
  if (!mayManage(account, project.project)) {
    return html`<main><${Blank} title="For managers">
      <p>Who works on <strong>${project.spec.title}</strong> is managed here. Ask a manager of the project for the role.</p>
    </${Blank}></main>`;
  }
  return html`<${Managed} account=${account} project=${project} onExpired=${onExpired} />`;
}

function Managed({ account, project, onExpired }) {
  const admin = account.roles.includes("admin");
  const path = pathOf(project, "members");
  const [found, load] = useLoaded(path, onExpired);
  const members = found?.members ?? null;
  return html`<main class="page narrow people">
    <h1>People</h1>
    <${Members} account=${account} admin=${admin} path=${path} members=${members} load=${load} onExpired=${onExpired} />
    <${Skills} project=${project} path=${pathOf(project, "skills")} members=${members ?? []} onExpired=${onExpired} />
    <${Invitations} admin=${admin} path=${pathOf(project, "invitations")} onExpired=${onExpired} />
    ${admin && html`<${AuditLog} project=${project} onExpired=${onExpired} />`}
  </main>`;
}

function pathOf(project, part) {
  return `/v1/projects/${segment(project.project)}/${part}`;
}

function Members({ account, admin, path, members, load, onExpired }) {
  const [act, problem] = useAction(load, onExpired);
  const form = useRef(null);
  const put = (name, roles) => act(() => call("PUT", `${path}/${segment(name)}`, { roles }));
  const add = async (event) => {
    event.preventDefault();
    const given = new FormData(form.current);
    if (await put(given.get("name").trim(), given.get("roles").split(" "))) form.current.reset();
  };
  return html`<section class="card people-part" aria-labelledby="members-heading">
    <header><h2 id="members-heading">Members</h2>
      <p class="fine">Their decisions stay when they leave. Roles in all projects are an admin's to give.</p></header>
    <ul class="people-rows">
      ${members?.filter(({ roles }) => roles.length > 0).map((member) => html`<${Member} key=${member.name} member=${member} fixed=${member.name === account.name && !admin}
        onRoles=${(roles) => put(member.name, roles)} onRemove=${() => act(() => call("DELETE", `${path}/${segment(member.name)}`))} />`)}
    </ul>
    <form class="people-form" ref=${form} onSubmit=${add}>
      <label>Account<input name="name" required maxlength="64" autocomplete="off" autocapitalize="none" spellcheck=${false} /></label>
      <label>Role<${RoleChoice} name="roles" /></label>
      <button>Add</button>
    </form>
    <${Problem} text=${problem} />
    <${Everywhere} members=${members?.filter(({ everywhere }) => everywhere.length > 0) ?? []} />
  </section>`;
}

function Everywhere({ members }) {
  if (members.length === 0) return null;
  return html`<details class="people-everywhere">
    <summary>${plural(members.length, "account has", "accounts have")} roles in all projects</summary>
    <ul class="people-rows">
      ${members.map(({ name, everywhere }) => html`<li key=${name} class="people-row">
        <div class="people-who"><strong>${name}</strong></div><span class="fine">${rolesInWords(everywhere)}</span>
      </li>`)}
    </ul>
  </details>`;
}

function Member({ member, fixed, onRoles, onRemove }) {
  const { name, roles, everywhere } = member;
  return html`<li class="people-row">
    <div class="people-who"><strong>${name}</strong>
      ${everywhere.length > 0 && html`<span class="fine">${rolesInWords(everywhere)} in all projects</span>`}
    </div>
    <div class="people-acts">
      <label><span class="visually-hidden">Role of ${name}</span>
        <${RoleChoice} value=${roles.join(" ")} disabled=${fixed} onChange=${(chosen) => onRoles(chosen.split(" "))} /></label>
      <button class="quiet" onClick=${onRemove} aria-label=${`Remove ${name}`}>Remove</button>
    </div>
  </li>`;
}

function Invitations({ admin, path, onExpired }) {
  const [found, load] = useLoaded(path, onExpired);
  const invitations = found?.invitations ?? null;
  const [act, problem] = useAction(load, onExpired);
  const [link, setLink] = useState("");
  const form = useRef(null);
  const invite = async (event) => {
    event.preventDefault();
    const given = new FormData(form.current);
    const body = { roles: given.get("roles").split(" "), note: given.get("note").trim(), hours: Number(given.get("hours")) };
    const made = await act(() => call("POST", given.get("where") === "all" ? "/v1/invitations" : path, body));
    if (!made) return;
    setLink(location.origin + made.path);
    form.current.reset();
  };
  return html`<section class="card people-part" aria-labelledby="invitations-heading">
    <header><h2 id="invitations-heading">Invitations</h2>
      <p class="fine">Whoever opens the link chooses a name and comes in, once.</p></header>
    <form class="people-form" ref=${form} onSubmit=${invite}>
      <label class="people-grow">Whom it is for<input name="note" maxlength="200" placeholder="Only you see this" autocomplete="off" /></label>
      <label>Role<${RoleChoice} name="roles" /></label>
      ${admin && html`<label>Where<select name="where"><option value="here">This project</option><option value="all">All projects</option></select></label>`}
      <label>Good for<select name="hours">${EXPIRIES.map(([hours, words]) => html`<option key=${hours} value=${hours}
        defaultSelected=${hours === 72}>${words}</option>`)}</select></label>
      <button class="primary">Make a link</button>
    </form>
    <${Problem} text=${problem} />
    ${link && html`<${Secret} label="Link to send" value=${link} note="It is shown this once. Send it to one person, by a way you trust." />`}
    ${invitations?.length === 0 && html`<p class="fine">Nobody is invited yet.</p>`}
    <ul class="people-rows">
      ${invitations?.map((one) => html`<${Invitation} key=${one.invitation_id} invitation=${one}
        onRevoke=${() => act(() => call("DELETE", `${path}/${one.invitation_id}`))} />`)}
    </ul>
  </section>`;
}

function Invitation({ invitation, onRevoke }) {
  const { note, roles, made_by: madeBy, used_by: usedBy, expires_at: end } = invitation;
  const over = end <= Date.now();
  const state = usedBy ? `used by ${usedBy}` : over ? "has expired" : `good until ${dateTime(end)}`;
  return html`<li class="people-row">
    <div class="people-who"><strong class=${note ? "" : "people-nameless"}>${note || "Without a note"}</strong>
      <span class="fine">${rolesInWords(roles)}, from ${madeBy}, ${state}</span></div>
    ${!usedBy && !over && html`<div class="people-acts">
      <button class="quiet" onClick=${onRevoke} aria-label=${`Revoke the invitation ${note || "without a note"}`}>Revoke</button></div>`}
  </li>`;
}

mount("people", People);
