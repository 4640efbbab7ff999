// Accuracy on gold: the bar with its interval that all pages draw alike, and the section with a person's own figures.
import { html, useCallback, useState } from "./ui.js";
import { clock, percent, plural } from "./format.js";
import { call, segment } from "./http.js";
import { Icon } from "./icons.js";
import { useRepeated } from "./session.js";

const REFRESH_MS = 60_000;

// A share from 0 to 1 with its interval, and the bar it is held to.
export function AccuracyBar({ share, bar = null }) {
  const at = (value) => `${100 * Math.max(0, Math.min(1, value))}%`;
  const below = bar !== null && share.value !== null && share.value < bar;
  return html`<i class=${below ? "whisker below" : "whisker"} aria-hidden="true">
    ${share.value !== null && html`<b style=${{ left: at(share.low), width: at(share.high - share.low) }}></b><u style=${{ left: at(share.value) }}></u>`}
    ${bar !== null && html`<s style=${{ left: at(bar) }}></s>`}
  </i>`;
}

export function range({ low, high }) {
  return low === null ? "" : `${percent(low, 0)} to ${percent(high, 0)} likely`;
}

// Labels with their accuracy, and what was answered instead, the most frequent first.
export function ByLabel({ accuracy, bar, name }) {
  return html`<div class="by-label">
    <ul class="accuracy-rows" aria-label=${`${name}, by label`}>
      ${accuracy.labels.map(({ label, accuracy: share }) => html`<li key=${label}>
        <p class="accuracy-name">${label}<span class="fine">${plural(share.answers, "answer")}</span></p>
        <${AccuracyBar} share=${share} bar=${bar} />
        <p class="accuracy-value"><b>${percent(share.value, 0)}</b><span class="fine">${range(share)}</span></p>
      </li>`)}
    </ul>
    ${accuracy.confusions.length > 0 && html`<div class="data-scroll" tabindex="0" role="region" aria-label=${`${name}, what was answered instead`}><table>
      <thead><tr><th scope="col">Right</th><th scope="col">Answered</th><th scope="col">Times</th></tr></thead>
      <tbody>${accuracy.confusions.map(({ truth, said, times }) => html`<tr key=${`${truth} ${said}`}>
        <th scope="row">${truth}</th><td>${said}</td><td>${times}</td></tr>`)}</tbody>
    </table></div>`}
  </div>`;
}

// One's own figures; null until known, and for those who do not review.
export function useOwnAccuracy(project) {
  const [own, setOwn] = useState(null);
  const [refused, setRefused] = useState(false);
  const load = useCallback(async () => {
    try {
      setOwn(await call("GET", `/v1/projects/${segment(project.project)}/me/accuracy`));
    } catch (error) {
      if (error.status === 403) setRefused(true);
    }
  }, [project.project]);
  useRepeated(load, REFRESH_MS, !refused);
  return own;
}

export function OwnAccuracy({ project }) {
  const own = useOwnAccuracy(project);
  if (own === null) return null;
  const { all, newest } = own.accuracy;
  return html`<section class="card own-accuracy" aria-labelledby="own-accuracy-heading">
    <h2 id="own-accuracy-heading">Your accuracy</h2>
    <p class="own-sentence">${sentence(own)}</p>
    ${all.answers > 0 && html`<div class="accuracy-rows"><div class="accuracy-row">
        <p class="accuracy-name">Newest answers<span class="fine">${plural(newest.answers, "answer")}</span></p>
        <${AccuracyBar} share=${newest} bar=${own.bar} />
        <p class="accuracy-value"><b>${percent(newest.value, 0)}</b><span class="fine">${range(newest)}</span></p>
      </div></div>
      <h3>By label</h3>
      <${ByLabel} accuracy=${own.accuracy} bar=${own.bar} name="Your accuracy" />
      <p class="fine">The mark is the project's bar, ${percent(own.bar, 0)}. Checks are among your tasks and look like any other; these are
        all that were answered before ${clock(own.until)}.</p>`}
    ${own.skills.length > 0 && html`<${Skills} project=${project} skills=${own.skills} />`}
  </section>`;
}

function sentence({ state, accuracy, training_done: done, training_tasks: tasks, paused_because: cause }) {
  if (state === "paused") return cause === "training" ? "The training is over. Ask a manager how to go on." : "Your work here is paused. A manager can look at the answers with you and let you go on.";
  if (state === "training") return `You are in training: ${Math.min(done, tasks)} of ${plural(tasks, "task")} done. After each, the right answer is explained.`;
  const { right, answers } = accuracy.all;
  if (answers === 0) return "No check of your answers counts yet.";
  return `${right} of ${plural(answers, "check")} answered as agreed.`;
}

// Where a person begins with the gold that qualifies for a skill.
export function qualifyingPage(project, skill) {
  return `/?project=${segment(project.project)}&qualify=${segment(skill)}`;
}

function Skills({ project, skills }) {
  return html`<h3>Skills you can qualify for</h3>
    <ul class="own-skills">
      ${skills.map((skill) => html`<li key=${skill}><a href=${qualifyingPage(project, skill)}>
        <${Icon} name="expand" />Tasks for <b>${skill}</b></a></li>`)}
    </ul>`;
}
