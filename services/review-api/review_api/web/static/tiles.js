// Tiles: figures to read from afar.
import { html } from "./ui.js";
import { count, duration, percent } from "./format.js";

// `title` is what a word or two more explain to who points at it.
export function Tile({ name, value, about, tone = "", bar = null, title }) {
  return html`<dl class=${`card tile ${tone}`} data-tile=${name} title=${title}>
    <dt>${name}</dt>
    <dd class="tile-value">${value}</dd>
    ${bar !== null && html`<dd class="track tile-bar" aria-hidden="true"><i style=${{ width: `${Math.min(100, bar * 100)}%` }}></i></dd>`}
    <dd class="tile-about">${about}</dd>
  </dl>`;
}

// How many tasks are not settled, of the project's status: the same words and the same number on every page.
export function Waiting({ status }) {
  return html`<${Tile} name="Waiting for people" tone="people" value=${count(status.open_tasks + status.leased_tasks)}
    about=${`${count(status.open_tasks)} open, ${count(status.leased_tasks)} in hand`}
    title="Tasks that are not settled: open ones that nobody has, and those in somebody's hands" />`;
}

// How long the oldest task has waited, and the share of those past the project's SLA.
export function Oldest({ queue }) {
  const share = queue.open > 0 ? queue.late / queue.open : 0;
  const late = queue.late > 0 ? `${count(queue.late)} past it (${percent(share, 0)})` : "none past it";
  const about = queue.sla_hours === null ? "the project names no SLA" : `SLA ${duration(queue.sla_hours * 3600)}, ${late}`;
  return html`<${Tile} name="Oldest waiting" tone=${queue.late > 0 ? "late" : ""} about=${about}
    value=${queue.oldest_at === null ? "–" : duration(queue.oldest_seconds)} />`;
}
