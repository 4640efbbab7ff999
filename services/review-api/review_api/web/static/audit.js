// The audit log, for admins: who did what to whom, the newest first.
import { html, useEffect, useState } from "./ui.js";
import { ACTS, actWords, subjectWords } from "./acts.js";
import { call } from "./http.js";
import { dateTime } from "./format.js";

const AT_ONCE = 25;
const EVERYTHING = { act: "", by: "", subject: "", project: "" };

// Names of details as they read in a sentence; the rest lose their underscores.
const DETAILS = { password_set: "with a password", created: "new", item_id: "item", based_on: "from version", guideline_version: "guideline" };

export function AuditLog({ project, onExpired }) {
  const [entries, setEntries] = useState(null);
  const [next, setNext] = useState(null);
  const [only, setOnly] = useState(EVERYTHING);
  const load = async (before, earlier, isCurrent = () => true) => {
    const query = new URLSearchParams({ count: AT_ONCE });
    if (before) query.set("before", before);
    for (const [name, value] of Object.entries(only)) if (value) query.set(name, value);
    try {
      const page = await call("GET", `/v1/audit?${query}`);
      if (!isCurrent()) return;
      setEntries([...earlier, ...page.entries]);
      setNext(page.next);
    } catch (error) {
      if (error.status === 401) onExpired();
    }
  };
  useEffect(() => {
    let current = true; // an answer to an earlier choice comes too late
    load(null, [], () => current);
    return () => {
      current = false;
    };
  }, [only]);
  const choose = (name) => (event) => setOnly({ ...only, [name]: event.target.value.trim() });
  return html`<section class="card people-part" aria-labelledby="audit-heading">
    <header><h2 id="audit-heading">Audit log</h2>
      <p class="fine">Every administrative act, in all projects. Nobody can change it.</p></header>
    <div class="people-form">
      <label class="people-grow">What<select value=${only.act} onChange=${choose("act")}>
        <option value="">Everything</option>
        ${ACTS.map(([title, acts]) => html`<optgroup key=${title} label=${title}>
          ${acts.map(([act, words]) => html`<option key=${act} value=${act}>${words}</option>`)}</optgroup>`)}
      </select></label>
      <label class="people-filter">Place<select value=${only.project} onChange=${choose("project")}>
        <option value="">Everywhere</option><option value=${project.project}>This project</option>
      </select></label>
      <${Name} label="By" onChange=${choose("by")} />
      <${Name} label="About" onChange=${choose("subject")} />
    </div>
    ${entries?.length === 0 && html`<p class="fine">${only === EVERYTHING ? "There is nothing in it." : "No act is like that."}</p>`}
    <ol class="people-rows" aria-label="Entries">
      ${entries?.map((entry) => html`<${Entry} key=${entry.entry_id} entry=${entry} />`)}
    </ol>
    ${next && html`<button class="more" onClick=${() => load(next, entries)}>Show older</button>`}
  </section>`;
}

// Without a value of ours: what somebody is typing would be lost as soon as entries arrive.
function Name({ label, onChange }) {
  return html`<label class="people-filter">${label}<input maxlength="64" placeholder="Anybody" autocomplete="off"
    autocapitalize="none" spellcheck=${false} onChange=${onChange} /></label>`;
}

function Entry({ entry }) {
  const { at, by, act, project, detail } = entry;
  const more = Object.entries(detail).filter(([, value]) => value !== null && value !== false && value !== "").map(told);
  return html`<li class="people-row">
    <div class="people-who"><span title=${act}><strong>${by}</strong> ${lower(actWords(act))}${subjectWords(entry)}</span>
      <span class="fine">${[project && `in ${project}`, ...more].filter(Boolean).join(" · ")}</span></div>
    <time class="fine" datetime=${new Date(at).toISOString()}>${dateTime(at)}</time>
  </li>`;
}

function lower(words) {
  return words.charAt(0).toLowerCase() + words.slice(1);
}

function told([name, value]) {
  const words = DETAILS[name] ?? name.replaceAll("_", " ");
  return value === true ? words : `${words}: ${written(value)}`;
}

function written(value) {
  if (Array.isArray(value)) return value.join(", ") || "none";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
