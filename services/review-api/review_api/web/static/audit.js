// The audit log, for admins: who did what to whom, the newest first.
import { html, useEffect, useState } from "./ui.js";
import { call } from "./http.js";
import { dateTime } from "./format.js";

const AT_ONCE = 25;

export function AuditLog({ onExpired }) {
  const [entries, setEntries] = useState([]);
  const [next, setNext] = useState(null);
  const [subject, setSubject] = useState("");
  const load = async (before, earlier) => {
    const query = new URLSearchParams({ count: AT_ONCE });
    if (before) query.set("before", before);
    if (subject) query.set("subject", subject);
    try {
      const page = await call("GET", `/v1/audit?${query}`);
      setEntries([...earlier, ...page.entries]);
      setNext(page.next);
    } catch (error) {
      if (error.status === 401) onExpired();
    }
  };
  useEffect(() => {
    load(null, []);
  }, [subject]);
  return html`<section class="card people-part" aria-labelledby="audit-heading">
    <header><h2 id="audit-heading">Audit log</h2>
      <p class="fine">Every administrative act, in all projects. Nobody can change it.</p></header>
    <div class="people-form">
      <label class="people-grow">About<input value=${subject} maxlength="64" placeholder="Everybody" autocomplete="off"
        autocapitalize="none" spellcheck=${false} onChange=${(event) => setSubject(event.target.value.trim())} /></label>
    </div>
    ${entries.length === 0 && html`<p class="fine">There is nothing in it${subject && ` about ${subject}`}.</p>`}
    <ol class="people-rows" aria-label="Entries">
      ${entries.map((entry) => html`<${Entry} key=${entry.entry_id} entry=${entry} />`)}
    </ol>
    ${next && html`<button class="more" onClick=${() => load(next, entries)}>Show older</button>`}
  </section>`;
}

function Entry({ entry }) {
  const { at, by, act, subject, project, detail } = entry;
  const more = Object.entries(detail).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${written(value)}`);
  return html`<li class="people-row">
    <div class="people-who"><span><strong>${by}</strong> <code>${act}</code> ${subject}</span>
      <span class="fine">${[project && `in ${project}`, ...more].filter(Boolean).join(" · ")}</span></div>
    <time class="fine" datetime=${new Date(at).toISOString()}>${dateTime(at)}</time>
  </li>`;
}

function written(value) {
  if (Array.isArray(value)) return value.join(", ") || "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
