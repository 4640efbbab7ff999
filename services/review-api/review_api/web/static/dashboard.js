// The dashboard: how much is done, how well, at what cost in money and in people's time.
import { html, useCallback, useMemo, useState } from "./ui.js";
import { AgreementSection, useAgreement } from "./agreement.js";
import { Chart, shareRange } from "./charts.js";
import * as figures from "./figures.js";
import { count, dateTime, decimal, minutes, percent, plural, usd } from "./format.js";
import { call, segment } from "./http.js";
import { mount } from "./page.js";
import { PromiseSection, usePromise } from "./promise.js";
import { Oldest, Tile, Waiting } from "./tiles.js";
import { useForManagers, useRepeated } from "./session.js";
import { Segments } from "./segments.js";
import { Blank } from "./shell.js";

const REFRESH_MS = 5000;
const QUEUE_MS = 15_000;
const WINDOWS = [
  [60, "1 hour"],
  [360, "6 hours"],
  [1440, "24 hours"],
];

// The newest answers; `stale` when the last try failed and older ones are shown.
function useFigures(project, windowMinutes, onExpired) {
  const [shown, setShown] = useState(null);
  const [stale, setStale] = useState(false);
  const load = useCallback(async () => {
    const base = `/v1/projects/${segment(project.project)}`;
    try {
      const [status, stats] = await Promise.all([call("GET", `${base}/status`), call("GET", `${base}/stats?minutes=${windowMinutes}`)]);
      setShown({ status, stats, windowMinutes, at: stats.serverNow });
      setStale(false);
    } catch (error) {
      if (error.status === 401) onExpired();
      else setStale(true);
    }
  }, [project.project, windowMinutes]);
  useRepeated(load, REFRESH_MS, true);
  return { shown, stale };
}

function Board({ project, onExpired }) {
  const [windowMinutes, setWindow] = useState(60);
  const { shown, stale } = useFigures(project, windowMinutes, onExpired);
  const promise = usePromise(project);
  const agreement = useAgreement(project);
  const queue = useForManagers(project, "queue", QUEUE_MS);
  return html`<main class="page board">
    <header class="page-top">
      <h1>Dashboard</h1>
      <${Freshness} shown=${shown} stale=${stale} />
      <${Segments} legend="Time window of the charts" options=${WINDOWS} value=${windowMinutes} onChange=${setWindow} />
    </header>
    ${shown === null && !stale && html`<div class="tiles" aria-busy="true"></div>`}
    ${shown === null && stale && html`<${Blank} title="No figures yet"><p>The server does not answer. Trying again every few seconds.</p></${Blank}>`}
    ${shown && html`<${Tiles} shown=${shown} spec=${project.spec} queue=${queue} />
      ${promise && html`<${PromiseSection} promise=${promise} spec=${project.spec} status=${shown.status} />`}
      ${agreement && html`<${AgreementSection} agreement=${agreement} project=${project.project} />`}
      <${Charts} shown=${shown} /><${Releases} releases=${shown.stats.releases} />`}
  </main>`;
}

function Freshness({ shown, stale }) {
  if (shown === null) return html`<p class="fresh fine" role="status"></p>`;
  const time = new Date(shown.at).toLocaleTimeString();
  return html`<p class=${stale ? "fresh stale" : "fresh fine"}>
    <i class="dot" aria-hidden="true"></i>${stale ? `No connection. Figures of ${time}` : `Updated ${time}`}
  </p>`;
}

function Tiles({ shown, spec, queue }) {
  const { status } = shown;
  const savings = figures.savings(status, spec);
  const done = figures.ratio(status.final_labels, status.items);
  const accepted = figures.acceptedInAll(status);
  return html`<section class=${queue ? "tiles tiles-7" : "tiles"} aria-label="Figures">
    <${Tile} name="Final labels" value=${count(status.final_labels)} about=${`of ${plural(status.items, "item")}${erasedWords(status)}`} bar=${done} />
    <${Tile} name="Share accepted" value=${percent(figures.ratio(accepted, status.accepted + status.requested))}
      about=${`${count(status.requested - status.withdrawn)} went to people`} tone="machine" />
    <${Waiting} status=${status} />
    ${queue && html`<${Oldest} queue=${queue} />`}
    <${Accuracy} status=${status} />
    <${Tile} name="Cost of the machine" value=${usd(status.cost_usd)} about=${costWords(status)} />
    <${Tile} name="Human time" value=${minutes(savings.spent)} about=${`${plural(status.decided, "task")} decided${status.items_erased > 0 ? " (of erased items too)" : ""}, ${savingsWords(savings)}`} tone="people" />
  </section>`;
}

// Why there are fewer labels than were decided.
function erasedWords({ items_erased: erased }) {
  return erased > 0 ? `; ${count(erased)} erased, counted no more` : "";
}

function savingsWords({ saved, savedUsd, secondsEach, measured }) {
  if (saved <= 0) return "measured from claim to answer";
  const basis = `${decimal(secondsEach)} s a decision, ${measured ? "measured" : "assumed in the project’s file"}`;
  return `${minutes(saved)} and ${usd(savedUsd)} less than people alone, at ${basis}`;
}

function costWords(status) {
  const tokens = status.input_tokens + status.output_tokens;
  const student = status.student_only > 0 ? `, ${count(status.student_only)} by the student alone` : "";
  return `${count(status.llm_calls)} calls, ${count(tokens)} tokens${student}`;
}

function Accuracy({ status }) {
  const name = "Accuracy against people";
  const { audits, audit_errors: wrong, compared, corrections } = status;
  if (audits > 0) {
    const [low, high] = figures.interval(audits - wrong, audits);
    return html`<${Tile} name=${name} value=${percent(1 - wrong / audits)} tone="machine"
      about=${`${plural(audits, "blind check")}: ${percent(low, 0)} to ${percent(high, 0)} likely`} />`;
  }
  const agreed = figures.ratio(compared - corrections, compared);
  return html`<${Tile} name=${name} value=${percent(agreed)} tone="machine"
    about=${agreed === null ? "people have decided nothing yet" : `of ${count(compared)} reviewed, no blind check yet`} />`;
}

function Charts({ shown }) {
  const { status, stats, windowMinutes, at } = shown;
  const lines = useMemo(() => linesOf(status, stats, windowMinutes, at), [shown]);
  const every = lines.size === 1 ? "a minute" : `a minute, over ${lines.size} minutes each`;
  const wholePercent = (value) => percent(value, 0);
  return html`<section class="charts" aria-label="Charts">
    <${Chart} title="Throughput" about=${`Items ${every}`} x=${lines.x} series=${lines.throughput} format=${(value) => decimal(value, value < 10 ? 1 : 0)} />
    <${Chart} title="Queue" about="Tasks that wait for a person" x=${lines.x} series=${lines.queue} format=${count} note="Nothing waits, and nothing waited." />
    <${Chart} title="Share accepted" about="Of what was routed, without a person" x=${lines.x} series=${lines.share} format=${wholePercent} range=${() => [0, 1]} shares />
    <${Chart} title="Accuracy against people" about="Since the start of the window" x=${lines.x} series=${lines.accuracy} format=${percent} range=${shareRange} shares
      note="No decisions in this window yet." />
    <${Chart} title="Cost" about="US dollars since the start of the window" x=${lines.x} series=${lines.cost} format=${usd} note="Nothing was spent in this window." />
    <${Chart} title="Releases" about="Accuracy on decisions held out from training" x=${lines.releaseNumbers} series=${lines.releases} format=${percent}
      time=${false} range=${shareRange} shares note="No release yet. The trainer makes one after enough decisions." />
  </section>`;
}

function linesOf(status, stats, windowMinutes, at) {
  const binned = figures.bins(stats.minutes, windowMinutes, at);
  const releases = stats.releases.toSorted((a, b) => a.number - b.number);
  return {
    size: binned.size,
    x: binned.starts.map((ms) => ms / 1000),
    throughput: [
      { name: "Scored", tone: "machine", fill: true, values: figures.ratePerMinute(binned, "items") },
      { name: "Decided by people", tone: "people", fill: true, values: figures.ratePerMinute(binned, "decided") },
    ],
    queue: [{ name: "Waiting", tone: "people", fill: true, values: figures.queue(binned, status.open_tasks + status.leased_tasks) }],
    share: [{ name: "Accepted", tone: "machine", values: figures.shares(binned, "accepted", "requested") }],
    accuracy: [
      { name: "Blind checks", tone: "machine", values: figures.runningAccuracy(binned, "audit_errors", "audits") },
      { name: "All reviewed", tone: "people", dash: true, values: figures.runningAccuracy(binned, "corrections", "decided") },
    ],
    cost: [{ name: "Spent", tone: "machine", fill: true, values: figures.running(binned, "cost_usd") }],
    releaseNumbers: releases.map((release) => release.number),
    releases: [
      { name: "This release", tone: "machine", values: releases.map((release) => release.evaluation.accuracy) },
      { name: "The one before it", tone: "edge", dash: true, values: releases.map((release) => release.evaluation.present_accuracy) },
    ],
  };
}

function Releases({ releases }) {
  if (releases.length === 0) return null;
  const newest = releases.toSorted((a, b) => b.number - a.number);
  return html`<section class="card releases" aria-labelledby="releases-heading">
    <h2 id="releases-heading">Releases</h2>
    <div class="data-scroll" tabindex="0" role="region" aria-label="Releases, table"><table>
      <thead><tr><th scope="col">Release</th><th scope="col">Promoted</th><th scope="col">Trained on</th><th scope="col">Held out</th>
        <th scope="col">Accuracy</th><th scope="col">Gain</th><th scope="col">Sure alone on</th></tr></thead>
      <tbody>${newest.map((release) => html`<${ReleaseRow} key=${release.number} release=${release} />`)}</tbody>
    </table></div>
  </section>`;
}

function ReleaseRow({ release }) {
  const { evaluation } = release;
  const gain = (evaluation.accuracy - evaluation.present_accuracy) * 100;
  return html`<tr>
    <th scope="row">#${release.number}</th><td>${dateTime(release.created_at)}</td><td>${count(release.decisions)} decisions</td>
    <td>${count(evaluation.items)}</td><td>${percent(evaluation.accuracy)}</td>
    <td>${gain > 0 ? "+" : ""}${decimal(gain, 1)} points</td><td>${percent(evaluation.sure_share, 0)}</td>
  </tr>`;
}

mount("dashboard", Board);
