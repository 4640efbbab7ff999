// Lines over time (or over releases) on uPlot, with a legend that follows the pointer and a table for those who prefer one.
import uPlot from "./vendor/uplot.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./ui.js";
import { clock } from "./format.js";

const HEIGHT = 216;
const FONT = '12px "Inter", system-ui, sans-serif';

const CLOCK_AXIS = { values: (_, stamps) => stamps.map((stamp) => clock(stamp * 1000)) };
const RELEASE_AXIS = {
  incrs: [1, 2, 5, 10, 20, 50],
  values: (self, numbers) => numbers.map((number) => (self.data[0].includes(number) ? `#${number}` : "")),
};

// series: [{name, values, tone, fill, dash}]; x: numbers (seconds where `time`); tone names a colour token.
// Of counts, nothing but zeros is an empty chart. Of shares it is a finding: those are empty without a value.
export function Chart({ title, about, x, series, format, time = true, range, shares = false, note = "" }) {
  const [at, setAt] = useState(null);
  const empty = !series.some((one) => one.values.some((value) => value !== null && (shares || value !== 0)));
  const index = at ?? lastKnown(series);
  return html`<figure class="card chart" data-chart=${title}>
    <figcaption>
      <h2>${title}</h2>
      <p class="fine">${about}</p>
    </figcaption>
    <${Legend} series=${series} index=${index} format=${format} moment=${at === null ? "" : moment(x[at], time)} />
    ${empty
      ? html`<p class="chart-empty">${note || "Nothing in this window yet."}</p>`
      : html`<${Plot} title=${title} x=${x} series=${series} format=${format} time=${time} range=${range} onCursor=${setAt} />`}
    ${!empty && html`<${DataTable} title=${title} x=${x} series=${series} format=${format} time=${time} />`}
  </figure>`;
}

function lastKnown(series) {
  return Math.max(...series.map((one) => one.values.findLastIndex((value) => value !== null)));
}

function moment(value, time) {
  return time ? clock(value * 1000) : `Release ${value}`;
}

function Legend({ series, index, format, moment: when }) {
  return html`<ul class="legend">
    ${series.map((one) => html`<li key=${one.name}>
      <i class=${`swatch tone-${one.tone}${one.dash ? " dashed" : ""}`} aria-hidden="true"></i>${one.name}
      <b>${format(one.values[index] ?? null)}</b>
    </li>`)}
    <li class="legend-moment">${when}</li>
  </ul>`;
}

function Plot({ title, x, series, format, time, range, onCursor }) {
  const place = useRef(null);
  const plot = useRef(null);
  const theme = useThemeCount();
  const data = useMemo(() => [x, ...series.map((one) => one.values)], [x, series]);
  useLayoutEffect(() => {
    const options = plotOptions({ width: place.current.clientWidth, series, format, time, range, onCursor });
    plot.current = new uPlot(options, data, place.current);
    const watcher = new ResizeObserver(() => plot.current.setSize({ width: place.current.clientWidth, height: HEIGHT }));
    watcher.observe(place.current);
    return () => {
      watcher.disconnect();
      plot.current.destroy();
    };
  }, [theme, series.length]);
  useEffect(() => plot.current.setData(data), [data]);
  return html`<div class="plot" ref=${place} role="img" aria-label=${summary(title, series, format)}></div>`;
}

function summary(title, series, format) {
  const parts = series.map((one) => {
    const known = one.values.filter((value) => value !== null);
    return known.length === 0 ? `${one.name}: nothing yet` : `${one.name}: ${format(known.at(-1))} now, highest ${format(Math.max(...known))}`;
  });
  return `${title}. ${parts.join("; ")}.`;
}

// Canvas cannot read custom properties: a hidden element resolves them for the present theme.
function colours() {
  const probe = document.body.appendChild(document.createElement("i"));
  const resolve = (value) => {
    probe.style.color = value;
    return getComputedStyle(probe).color;
  };
  const found = {};
  for (const name of ["machine", "people", "muted", "line", "surface", "edge"]) {
    found[name] = resolve(`var(--${name})`);
    found[`${name}Soft`] = resolve(`color-mix(in srgb, var(--${name}) 14%, transparent)`);
  }
  probe.remove();
  return found;
}

function plotOptions({ width, series, format, time, range, onCursor }) {
  const colour = colours();
  const axis = { stroke: colour.muted, font: FONT, ticks: { show: false }, grid: { stroke: colour.line, width: 1 } };
  return {
    width,
    height: HEIGHT,
    padding: [12, 28, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 }, ...(time ? { sync: { key: "time" } } : {}) },
    scales: { x: { time, ...(time ? {} : { range: releaseRange }) }, y: { range: range ?? fromZero } },
    axes: [
      { ...axis, grid: { show: false }, size: 32, gap: 8, space: 70, ...(time ? CLOCK_AXIS : RELEASE_AXIS) },
      { ...axis, size: 52, gap: 8, space: 38, values: (_, values) => values.map((value) => format(value)) },
    ],
    series: [{}, ...series.map((one) => lineOf(one, colour, time))],
    hooks: { setCursor: [(self) => onCursor(self.cursor.idx ?? null)] },
  };
}

function lineOf({ name, tone, fill, dash }, colour, time) {
  return {
    label: name,
    stroke: colour[tone],
    width: 2,
    fill: fill ? colour[`${tone}Soft`] : undefined,
    dash: dash ? [5, 5] : undefined,
    spanGaps: true,
    points: time ? { show: showLonely, size: 8, fill: colour[tone] } : { show: true, size: 8, fill: colour.surface, width: 2 },
  };
}

// A line needs two points: while there is one, it is shown as a dot.
function showLonely(self, index) {
  return self.data[index].filter((value) => value !== null).length < 2;
}

function fromZero(_, __, max) {
  return [0, max > 0 ? max * 1.12 : 1];
}

// Shares: as close as the data allows, in steps of ten per cent, never beyond 0 and 1.
export function shareRange(_, min, max) {
  const low = Math.max(0, Math.floor((min ?? 0) * 10 - 0.3) / 10);
  const high = Math.min(1, Math.ceil((max ?? 1) * 10 + 0.3) / 10);
  return [Math.min(low, high - 0.1), high];
}

function releaseRange(_, min, max) {
  return [min - 0.5, max + 0.5];
}

function useThemeCount() {
  const [changes, setChanges] = useState(0);
  useEffect(() => {
    const bump = () => setChanges((n) => n + 1);
    const system = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("labelmill:theme", bump);
    system.addEventListener("change", bump);
    return () => {
      removeEventListener("labelmill:theme", bump);
      system.removeEventListener("change", bump);
    };
  }, []);
  return changes;
}

function DataTable({ title, x, series, format, time }) {
  const [open, setOpen] = useState(false);
  const rows = x.map((_, index) => index).filter((index) => series.some((one) => one.values[index] != null));
  return html`<details class="data" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>As a table<span class="visually-hidden">: ${title}</span></summary>
    ${open && html`<div class="data-scroll" tabindex="0" role="region" aria-label=${`${title}, table`}><table>
      <thead><tr><th scope="col">${time ? "Time" : "Release"}</th>${series.map((one) => html`<th scope="col">${one.name}</th>`)}</tr></thead>
      <tbody>${rows.toReversed().map((index) => html`<tr key=${x[index]}>
        <th scope="row">${moment(x[index], time)}</th>${series.map((one) => html`<td>${format(one.values[index])}</td>`)}
      </tr>`)}</tbody>
    </table></div>`}
  </details>`;
}
