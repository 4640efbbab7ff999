// Diagrams that are no lines over time, in SVG: how sure the machine is against how often it is right, and what
// accepting more would cost in error. They are drawn as wide as their place, so that text keeps its size.
import { html, useLayoutEffect, useRef, useState } from "./ui.js";
import { standing, ticks } from "./figures.js";
import { count, percent } from "./format.js";

const HEIGHT = 264;
const EDGES = { top: 14, right: 16, bottom: 44, left: 52 };
const LEAST_SPAN = 0.1;

function useWidth() {
  const place = useRef(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    setWidth(place.current.clientWidth);
    const watcher = new ResizeObserver(() => setWidth(place.current.clientWidth));
    watcher.observe(place.current);
    return () => watcher.disconnect();
  }, []);
  return [place, width];
}

function Diagram({ title, about, summary, keys, head, rows, x, y, xName, yName, note, reaching = false, children }) {
  const [place, width] = useWidth();
  const frame = frameOf(width, x, y);
  return html`<figure class="card chart diagram" data-chart=${title}>
    <figcaption><h3>${title}</h3><p class="fine">${about}</p></figcaption>
    <ul class="legend">${keys.map(([mark, name]) => html`<li key=${name}><i class=${`key key-${mark}`} aria-hidden="true"></i>${name}</li>`)}</ul>
    <div class="plot" ref=${place} role="img" aria-label=${`${title}. ${summary}`}>
      ${width > 0 && html`<svg class="drawing" width=${width} height=${HEIGHT} aria-hidden="true">
        <${Axes} frame=${frame} xName=${xName} yName=${yName} />
        <svg class=${reaching ? "reaching" : ""} x=${EDGES.left} y=${EDGES.top} width=${frame.width} height=${frame.height}>${children(frame)}</svg>
      </svg>`}
    </div>
    ${note && html`<p class="fine diagram-note">${note}</p>`}
    <${Table} title=${title} head=${head} rows=${rows} />
  </figure>`;
}

// `x` and `y` map shares to pixels inside the frame.
function frameOf(all, [left, right], [bottom, top]) {
  const width = Math.max(1, all - EDGES.left - EDGES.right);
  const height = HEIGHT - EDGES.top - EDGES.bottom;
  return {
    width,
    height,
    x: (value) => ((value - left) / (right - left)) * width,
    y: (value) => height - ((value - bottom) / (top - bottom)) * height,
    xTicks: ticks(left, right, width < 360 ? 4 : 6),
    yTicks: ticks(bottom, top, 5),
  };
}

function Axes({ frame, xName, yName }) {
  const bottom = EDGES.top + frame.height;
  return html`<g class="axes">
    ${frame.yTicks.map((value) => html`<g key=${`y${value}`} transform=${`translate(${EDGES.left} ${EDGES.top + frame.y(value)})`}>
      <path class="grid" d=${`M0 0h${frame.width}`} /><text x="-10" dy="0.32em" text-anchor="end">${percent(value)}</text>
    </g>`)}
    ${frame.xTicks.map((value) => html`<text key=${`x${value}`} x=${EDGES.left + frame.x(value)} y=${bottom + 18} text-anchor="middle">${percent(value)}</text>`)}
    <text class="axis-name" x=${EDGES.left + frame.width} y=${bottom + 38} text-anchor="end">${xName} →</text>
    <text class="axis-name" x=${EDGES.left + 8} y=${EDGES.top + 8}>↑ ${yName}</text>
  </g>`;
}

function Table({ title, head, rows }) {
  const [open, setOpen] = useState(false);
  return html`<details class="data" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>As a table<span class="visually-hidden">: ${title}</span></summary>
    ${open && html`<div class="data-scroll" tabindex="0" role="region" aria-label=${`${title}, table`}><table>
      <thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${rows.map(([first, ...rest], index) => html`<tr key=${index}>
        <th scope="row">${first}</th>${rest.map((value) => html`<td>${value}</td>`)}
      </tr>`)}</tbody>
    </table></div>`}
  </details>`;
}

export function Reliability({ quality }) {
  const bins = quality.reliability;
  const most = Math.max(...bins.map((bin) => bin.decisions));
  const lowest = Math.min(...bins.map((bin) => Math.min(bin.confidence, bin.low)));
  const span = [Math.max(0, Math.floor(lowest * 10) / 10), 1];
  return html`<${Diagram} title="Is it as sure as it is right?" about="Each dot: decisions of similar confidence, with its 95% interval"
    summary=${`Over ${count(quality.decisions)} decisions, confidence and accuracy differ by ${percent(quality.calibration_error)} on average.`}
    keys=${[["dot", "Measured"], ["diagonal", "As sure as right"]]} x=${span} y=${span} reaching xName="Confidence" yName="Right in people's eyes"
    note=${`Below the line the machine is too sure of itself. On average it is off by ${percent(quality.calibration_error)}, over ${count(quality.decisions)} decisions that trained nothing.`}
    head=${["Confidence", "Right", "95% interval", "Decisions"]}
    rows=${bins.map((bin) => [percent(bin.confidence), percent(bin.accuracy), `${percent(bin.low)} to ${percent(bin.high)}`, count(bin.decisions)])}>
    ${({ x, y }) => html`
      <path class="diagonal" d=${`M${x(span[0])} ${y(span[0])}L${x(1)} ${y(1)}`} />
      ${bins.map((bin) => html`<g key=${bin.confidence} class="bin">
        <path d=${`M${x(bin.confidence)} ${y(bin.low)}V${y(bin.high)}M${x(bin.confidence) - 4} ${y(bin.low)}h8M${x(bin.confidence) - 4} ${y(bin.high)}h8`} />
        <circle cx=${x(bin.confidence)} cy=${y(bin.accuracy)} r=${3.5 + 3 * Math.sqrt(bin.decisions / most)}>
          <title>${`${percent(bin.confidence)} sure, ${percent(bin.accuracy)} right, ${count(bin.decisions)} decisions`}</title>
        </circle>
      </g>`)}`}
  </${Diagram}>`;
}

// `threshold`: the confidence in force, above 1 while nothing is accepted, null where it is unknown.
export function RiskCoverage({ quality, target, threshold, note }) {
  const points = quality.risk_coverage.toSorted((a, b) => a.coverage - b.coverage);
  const here = threshold === null ? null : standing(points, threshold);
  const highest = Math.max(...points.map((point) => point.error), (target ?? 0) * 1.6);
  const top = Math.min(1, Math.max(LEAST_SPAN / 2, highest * 1.35));
  const keys = [["line", "Error"], ["band", "Up to, at 95%"], ...(target === null ? [] : [["target", `Promised: ${percent(target)}`]]), ...(here ? [["here", "Now"]] : [])];
  const standingWords = here ? `From ${percent(here.confidence)} confidence up, ${percent(here.coverage, 0)} are accepted, with ${percent(here.error)} wrong.` : "";
  return html`<${Diagram} title="What would accepting more cost?" about="Error among the accepted, if the surest share of items is accepted"
    summary=${standingWords || `Accepting everything: ${percent(points.at(-1).error)} wrong.`} keys=${keys} x=${[0, 1]} y=${[0, top]}
    xName="Share accepted" yName="Error" note=${[standingWords, note].filter(Boolean).join(" ")} head=${["Confidence from", "Share accepted", "Error", "Up to, at 95%"]}
    rows=${points.map((point) => [percent(point.confidence), percent(point.coverage), percent(point.error), percent(point.error_bound)])}>
    ${({ x, y, width, height }) => html`
      <path class="band" d=${`M${path(points, x, y, "error")}L${path(points.toReversed(), x, y, "error_bound")}Z`} />
      ${target !== null && html`<path class="target" d=${`M0 ${y(target)}H${width}`} />`}
      <path class="line" d=${`M${path(points, x, y, "error")}`} />
      ${here && html`<g class="here">
        <path d=${`M${x(here.coverage)} ${height}V${y(here.error)}`} />
        <circle cx=${x(here.coverage)} cy=${y(here.error)} r="7"><title>${standingWords}</title></circle>
      </g>`}`}
  </${Diagram}>`;
}

function path(points, x, y, name) {
  return points.map((point) => `${x(point.coverage).toFixed(1)} ${y(point[name]).toFixed(1)}`).join("L");
}
