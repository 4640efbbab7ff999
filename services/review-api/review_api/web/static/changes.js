// What changed between two versions of the guideline, side by side or in one column.
import { html, useEffect, useState } from "./ui.js";
import { useFetched } from "./guideline_parts.js";
import { Segments } from "./segments.js";
import { plural } from "./format.js";

const WIDE = matchMedia("(min-width: 56rem)");
const SIGNS = { same: " ", removed: "−", added: "+" };

export function Changes({ base, versions, number }) {
  const [since, setSince] = useState(null);
  const [layout, setLayout] = useState("side");
  const wide = useWide();
  const before = since ?? Math.max(1, number - 1);
  const diff = useFetched(`${base}/guidelines/${number}/diff?since=${before}`);
  return html`<section class="card sheet" aria-labelledby="changes-heading">
    <div class="sheet-top">
      <h2 id="changes-heading">Changes up to version ${number}</h2>
      <label class="inline">since
        <select value=${before} onChange=${(event) => setSince(Number(event.target.value))}>
          ${versions.map((one) => html`<option key=${one.guideline_version} value=${one.guideline_version}>version ${one.guideline_version}</option>`)}
        </select>
      </label>
      ${wide && html`<${Segments} legend="Layout" value=${layout} onChange=${setLayout} options=${[["side", "Side by side"], ["unified", "Unified"]]} />`}
    </div>
    ${diff && html`<${Diff} diff=${diff} side=${wide && layout === "side"} />`}
  </section>`;
}

function useWide() {
  const [wide, setWide] = useState(WIDE.matches);
  useEffect(() => {
    const change = () => setWide(WIDE.matches);
    WIDE.addEventListener("change", change);
    return () => WIDE.removeEventListener("change", change);
  }, []);
  return wide;
}

function Diff({ diff, side }) {
  const nothing = diff.hunks.length === 0 && diff.labels.length === 0 && !diff.reordered;
  if (nothing) return html`<p class="fine">Nothing differs.</p>`;
  return html`
    <p class="fine">${plural(diff.added, "line")} added, ${plural(diff.removed, "line")} removed.</p>
    ${diff.labels.length > 0 && html`<${LabelChanges} labels=${diff.labels} />`}
    ${diff.reordered && html`<p class="fine">The labels stand in another order.</p>`}
    ${diff.hunks.map((hunk) => html`<div key=${`${hunk.old} ${hunk.new}`} class="hunk" tabindex="0" role="region"
      aria-label=${`Changes from line ${hunk.new}`}>
      ${side ? html`<${SideBySide} lines=${hunk.lines} />` : html`<${Unified} lines=${hunk.lines} />`}
    </div>`)}`;
}

function LabelChanges({ labels }) {
  const words = { added: "new label", removed: "label gone", changed: "described anew" };
  return html`<ul class="label-changes">
    ${labels.map((label) => html`<li key=${label.name} class=${label.op}>
      <b>${label.name}</b> <span class="chip">${words[label.op]}</span>
      ${label.parts.length > 0 && html`<p><${Parts} parts=${label.parts} /></p>`}
    </li>`)}
  </ul>`;
}

function Parts({ parts }) {
  return parts.map(({ op, text }) => {
    if (op === "added") return html`<ins>${text}</ins>`;
    return op === "removed" ? html`<del>${text}</del>` : text;
  });
}

function Sign({ op, marked = false }) {
  const said = { same: "", removed: "removed", added: "added" }[op];
  return html`<td class=${marked ? `sign ${op}` : "sign"}><span aria-hidden="true">${SIGNS[op]}</span><span class="visually-hidden">${said}</span></td>`;
}

function Unified({ lines }) {
  return html`<table class="diff">
    <thead class="visually-hidden"><tr><th>Line before</th><th>Line after</th><th>Change</th><th>Text</th></tr></thead>
    <tbody>${lines.map((line) => html`<tr class=${line.op}>
      <td class="at">${line.old}</td><td class="at">${line.new}</td>
      <${Sign} op=${line.op} /><td class="line"><${Parts} parts=${line.parts} /></td>
    </tr>`)}</tbody>
  </table>`;
}

// Removed lines stand beside the lines that took their place.
function paired(lines) {
  const rows = [];
  let gone = [];
  let come = [];
  const flush = () => {
    for (let n = 0; n < Math.max(gone.length, come.length); n += 1) rows.push([gone[n], come[n]]);
    gone = [];
    come = [];
  };
  for (const line of lines) {
    if (line.op === "removed") {
      if (come.length > 0) flush();
      gone.push(line);
    } else if (line.op === "added") {
      come.push(line);
    } else {
      flush();
      rows.push([line, line]);
    }
  }
  flush();
  return rows;
}

function SideBySide({ lines }) {
  const half = (line, at) => line
    ? html`<td class=${`at ${line.op}`}>${at}</td><${Sign} op=${line.op} marked /><td class=${`line ${line.op}`}><${Parts} parts=${line.parts} /></td>`
    : html`<td class="at empty"></td><td class="sign empty"></td><td class="line empty"></td>`;
  const columns = html`<col class="col-at" /><col class="col-sign" /><col />`;
  return html`<table class="diff side">
    <colgroup>${columns}${columns}</colgroup>
    <thead class="visually-hidden"><tr><th>Line</th><th>Change</th><th>Before</th><th>Line</th><th>Change</th><th>After</th></tr></thead>
    <tbody>${paired(lines).map(([old, now]) => html`<tr>${half(old, old?.old)}${half(now, now?.new)}</tr>`)}</tbody>
  </table>`;
}
