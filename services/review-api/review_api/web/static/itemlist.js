// The items of a project in the order of their ids, page by page, for managers.
import { html, useCallback, useEffect, useState } from "./ui.js";
import { dateTime, percent } from "./format.js";
import { call, segment } from "./http.js";
import { itemAddress, labelText } from "./items.js";
import { Covered } from "./sensitive.js";

const PAGE = 50;
const SOURCES = [
  ["", "Any final label"],
  ["machine", "By the machine"],
  ["people", "By people"],
  ["none", "None yet"],
];
const EVERYTHING = { prefix: "", label: "", source: "" };

export function ItemList({ project, onChoose, onExpired }) {
  const [wanted, setWanted] = useState(EVERYTHING);
  const { items, next, problem, busy, more } = useItems(project, wanted, onExpired);
  const change = (name) => (event) => setWanted({ ...wanted, [name]: event.target.value });
  const labels = project.spec.labels ?? [];
  return html`<section class="card item-list" aria-label="Items">
    <div class="filters">
      <label>Id begins with<input value=${wanted.prefix} maxlength="200" spellcheck=${false} autocomplete="off" onInput=${change("prefix")} /></label>
      ${labels.length > 0 && html`<label>Final label<select value=${wanted.label} onChange=${change("label")}>
        <option value="">Any</option>${labels.map((label) => html`<option key=${label.name} value=${label.name}>${label.name}</option>`)}
      </select></label>`}
      <label>Decided<select value=${wanted.source} onChange=${change("source")}>
        ${SOURCES.map(([value, name]) => html`<option key=${value} value=${value}>${name}</option>`)}
      </select></label>
    </div>
    <p class="problem" role="alert">${problem}</p>
    <ul class="rows">${items.map((item) => html`<${Row} key=${item.item_id} item=${item} project=${project} onChoose=${onChoose} />`)}</ul>
    ${items.length === 0 && !busy && !problem && html`<p class="nothing none">${next === null ? "No item fits." : "None of the items looked at so far fits."}</p>`}
    ${next !== null && html`<button class="more" disabled=${busy} onClick=${more}>${busy ? "Looking…" : items.length > 0 ? "Show more" : "Look further"}</button>`}
  </section>`;
}

function useItems(project, wanted, onExpired) {
  const [shown, setShown] = useState({ items: [], next: "" });
  const [busy, setBusy] = useState(true);
  const [problem, setProblem] = useState("");
  const ask = (after) => {
    const query = new URLSearchParams({ after, limit: PAGE, prefix: wanted.prefix });
    if (wanted.label) query.set("label", wanted.label);
    if (wanted.source) query.set("source", wanted.source);
    return call("GET", `/v1/projects/${segment(project.project)}/items?${query}`);
  };
  const fail = (error) => {
    if (error.status === 401) onExpired();
    else setProblem(error.message);
  };
  useEffect(() => {
    let current = true; // an answer to what was typed before comes too late
    const timer = setTimeout(async () => {
      setBusy(true);
      try {
        const answer = await ask("");
        if (current) setShown(answer);
        if (current) setProblem("");
      } catch (error) {
        if (current) fail(error);
      }
      if (current) setBusy(false);
    }, 150);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [project.project, wanted]);
  const more = useCallback(async () => {
    setBusy(true);
    try {
      const answer = await ask(shown.next);
      setShown({ items: [...shown.items, ...answer.items], next: answer.next });
    } catch (error) {
      fail(error);
    }
    setBusy(false);
  }, [project.project, wanted, shown]);
  return { ...shown, busy, problem, more };
}

function Row({ item, project, onChoose }) {
  const open = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab or window is the browser's to open
    event.preventDefault();
    onChoose(item.item_id);
  };
  return html`<li class="row">
    <a href=${itemAddress(project.project, item.item_id)} onClick=${open}><bdi>${item.item_id}</bdi></a>
    <div class="row-text"><${Covered} sensitive=${item.sensitive} item=${item.item_id}>
      <p class="excerpt" dir="auto">${item.excerpt}${item.is_cut && "…"}</p></${Covered}></div>
    <p class="row-label">${item.label === null
      ? html`<span class="fine">${item.label_withheld ? "hidden: a blind check waits" : "no final label"}</span>`
      : html`<b class=${`tone-${item.source}`}>${labelText(item.label)}</b><span class="fine">${item.source === "people" ? "by people" : `machine, ${percent(item.confidence, 0)}`}</span>`}</p>
    <time class="fine" datetime=${new Date(item.ingested_at).toISOString()}>${dateTime(item.ingested_at)}</time>
  </li>`;
}
