// The promise: what error is promised, how it stands, on which evidence, and where the machine errs. For managers.
import { html, useState } from "./ui.js";
import { Reliability, RiskCoverage } from "./diagrams.js";
import { costPerCorrect, ratio, standing } from "./figures.js";
import { count, decimal, percent, plural, usd } from "./format.js";
import { Icon } from "./icons.js";
import { ItemLink } from "./items.js";
import { Meanings } from "./meanings.js";
import { Covered } from "./sensitive.js";
import { useForManagers } from "./session.js";

const REFRESH_MS = 10_000;
const STATES = {
  open: ["check", "Kept: labels are accepted"],
  gathering: ["gathering", "Gathering evidence"],
  alarm: ["alarm", "Broken: acceptance is closed"],
};
const MEANINGS = [
  ["Accepted", "A label of the machine that is final without a person, for its confidence is high enough."],
  ["Error at most", "The highest share of wrong labels among the accepted that the evidence leaves likely, at the confidence that is promised. Looking at it often does not weaken it."],
  ["Blind audits", "Items drawn at random that people decide without sight of the machine’s label. What they find is the evidence for the promise."],
  ["Propensity", "The chance with which an item was drawn for people. An item drawn with a small one stands for many that were not: so the estimate stays fair."],
  ["Alarm", "Newer audits contradict the promise. Nothing is accepted until there is enough new evidence."],
  ["Release", "What the machine has learned from people’s decisions so far. A new one comes into force only if it proves itself."],
  ["Calibrated", "Of labels with a confidence of 90%, about 90% are right. The first diagram shows how far that holds."],
  ["Doubtful decisions", "Decisions of people that are likely slips, by all that is known of the item. Somebody else looks again."],
  ["q-value", "Of the slices listed up to and with this one, the share that is expected to be there by chance."],
];
const KINDS = { metadata: "Metadata", labels: "Label pair", cluster: "Topic" };

export function usePromise(project) {
  return useForManagers(project, "promise", REFRESH_MS);
}

export function PromiseSection({ promise, spec, status }) {
  const { acceptance, quality } = promise;
  const target = acceptance?.target_error ?? spec.policy.target_error ?? null;
  const price = html`<${Price} status=${status} spec=${spec} />`;
  return html`<section class="promise" aria-labelledby="promise-heading">
    <h2 id="promise-heading">Promise</h2>
    ${acceptance ? html`<${Standing} promise=${promise} price=${price} />` : html`<${NoPromise} promise=${promise} target=${target} price=${price} />`}
    ${quality && html`<${Diagrams} quality=${quality} acceptance=${acceptance} target=${target} />`}
    ${quality && html`<${Slices} slices=${quality.slices} sensitive=${promise.sensitive} project=${spec.project} />`}
  </section>`;
}

function NoPromise({ promise, target, price }) {
  const { quality } = promise;
  const words = target === null
    ? html`No error is promised. Set <code>policy.target_error</code> in the project's file and apply it${quality ? "." : ": figures follow with the first release."}`
    : `At most ${percent(target)} of the accepted labels shall be wrong. Nothing is accepted before the first blind audits are judged.`;
  return html`<div class="card no-promise"><p>${words}</p><dl class="meters"><${Spent} promise=${promise} />${price}${quality && html`<${Suspects} promise=${promise} />`}</dl></div>`;
}

function Standing({ promise, price }) {
  const { acceptance, quality } = promise;
  const [icon, name] = STATES[acceptance.state];
  return html`<div class=${`card standing standing-${acceptance.state}`} data-state=${acceptance.state}>
    <p class="state"><${Icon} name=${icon} />${name}</p>
    <p class="sentence" role="status">${acceptance.sentence}</p>
    ${acceptance.alarms > 0 && html`<p class="fine">${plural(acceptance.alarms, "alarm")} since the start; each closes acceptance until new evidence is in.</p>`}
    <dl class="meters">
      <${Bound} acceptance=${acceptance} />
      <${Audits} acceptance=${acceptance} />
      <${Accepted} acceptance=${acceptance} quality=${quality} />
      <${Spent} promise=${promise} />
      ${price}
      ${quality && html`<${Suspects} promise=${promise} />`}
    </dl>
    <${Meanings} title="What these terms mean" of=${MEANINGS} />
  </div>`;
}

// `filled` and `mark` are shares of the bar's length.
export function Meter({ name, value, about, filled = null, mark = null, tone = "machine" }) {
  return html`<div class="meter" data-meter=${name}>
    <dt>${name}</dt>
    <dd class="meter-value">${value}</dd>
    ${filled !== null && html`<dd class=${`meter-bar ${tone}`} aria-hidden="true">
      <i style=${{ width: `${100 * Math.min(1, filled)}%` }}></i>${mark !== null && html`<b style=${{ left: `${100 * mark}%` }}></b>`}
    </dd>`}
    <dd class="meter-about">${about}</dd>
  </div>`;
}

function Bound({ acceptance }) {
  const { target_error: target, error_bound: bound, confidence, state } = acceptance;
  if (state !== "open") return html`<${Meter} name="Error at most" value="–" filled=${0} mark=${0.75} about=${`${percent(target)} promised, with ${percent(confidence)} confidence; nothing is accepted now`} />`;
  const tone = bound > target ? "bad" : "machine";
  return html`<${Meter} name="Error at most" value=${percent(bound)} filled=${(0.75 * bound) / target} mark=${0.75} tone=${tone}
    about=${`${percent(target)} promised, with ${percent(confidence)} confidence`} />`;
}

function Audits({ acceptance }) {
  const { audits, audit_errors: errors, audits_missing: missing, audit_rate: rate, state } = acceptance;
  const goal = state === "open" ? "until more is accepted" : "until labels are accepted";
  const lack = missing > 0 ? `${count(missing)} missing ${goal}` : "none missing";
  return html`<${Meter} name="Blind audits" value=${count(audits)} filled=${ratio(audits, audits + missing) ?? 0} tone="people"
    about=${`${plural(errors, "error")}; ${lack}. ${rate === 1 ? "Every item is" : `${percent(rate)} of items are`} audited now`} />`;
}

function Accepted({ acceptance, quality }) {
  const threshold = acceptance.thresholds.at(-1);
  if (threshold === undefined || nothing(threshold)) return html`<${Meter} name="Accepted from" value="–" about="no confidence is high enough yet" />`;
  if (threshold.by_label) {
    const parts = Object.entries(threshold.by_label).map(([label, confidence]) => `${label} from ${percent(confidence)}`);
    return html`<${Meter} name="Accepted from" value=${plural(parts.length, "label")} about=${`${parts.join(", ")}; other labels go to people`} />`;
  }
  const here = quality && quality.release === threshold.release ? standing(quality.risk_coverage, threshold.confidence) : null;
  return html`<${Meter} name="Accepted from" value=${percent(threshold.confidence)}
    about=${`confidence up, release ${threshold.release}${here ? `: ${percent(here.coverage, 0)} of items` : ""}`} />`;
}

function nothing(threshold) {
  return threshold.by_label ? Object.keys(threshold.by_label).length === 0 : threshold.confidence > 1;
}

function Spent({ promise }) {
  const { spent_today_usd: spent, usd_per_day: cap } = promise;
  if (cap === null) return html`<${Meter} name="Spent today" value=${usd(spent)} about="no cap; days begin at midnight UTC" />`;
  const tone = spent >= cap ? "bad" : "machine";
  return html`<${Meter} name="Spent today" value=${usd(spent)} filled=${cap > 0 ? spent / cap : 1} tone=${tone}
    about=${`of ${usd(cap)} a day (${percent(cap > 0 ? spent / cap : 1, 0)}); days begin at midnight UTC`} />`;
}

function Price({ status, spec }) {
  const cost = costPerCorrect(status, spec);
  const about = status.audits === 0
    ? "unknown until audits of accepted labels are decided"
    : `machine and people; ${percent(ratio(status.audit_errors, status.audits))} of ${plural(status.audits, "audit")} found errors`;
  return html`<${Meter} name="Cost per accepted-correct label" value=${cost === null ? "–" : usd(cost)} about=${about} />`;
}

function Suspects({ promise }) {
  const { quality, rereviews, suspects_withheld: withheld } = promise;
  const number = quality.suspects.length + withheld;
  const found = number > 0 ? "likely slips of people" : "no decision looks like a slip now";
  return html`<${Meter} name="Doubtful decisions" value=${count(number)} about=${`${found}; ${lookedAtAgain(rereviews)}`} />`;
}

function lookedAtAgain({ waiting, decided, changed }) {
  const done = decided > 0 ? `${count(decided)} looked at again, ${count(changed)} of them changed` : "none looked at again yet";
  return waiting > 0 ? `${done}; ${count(waiting)} waiting for another reviewer` : done;
}

function Diagrams({ quality, acceptance, target }) {
  const threshold = acceptance?.thresholds.find((one) => one.release === quality.release) ?? null;
  const single = threshold !== null && !threshold.by_label;
  return html`<div class="charts">
    ${quality.reliability.length > 0 && html`<${Reliability} quality=${quality} />`}
    ${quality.risk_coverage.length > 0 && html`<${RiskCoverage} quality=${quality} target=${target}
      threshold=${single ? threshold.confidence : null} note=${markNote(acceptance, threshold)} />`}
  </div>`;
}

function markNote(acceptance, threshold) {
  if (acceptance === null) return "";
  if (threshold === null) return "The release in force is a newer one than this curve's: no mark is set.";
  if (threshold.by_label && !nothing(threshold)) return "Each label has a threshold of its own: no mark is set.";
  return nothing(threshold) ? "Nothing is accepted now." : "";
}

function Slices({ slices, sensitive, project }) {
  return html`<section class="card slices" aria-labelledby="slices-heading">
    <h3 id="slices-heading">Where it errs more than elsewhere</h3>
    ${slices.length === 0
      ? html`<p class="fine">No part of the items stands out. What could be chance is not listed.</p>`
      : html`<div class="data-scroll" tabindex="0" role="region" aria-label="Slices, table"><table>
        <thead><tr><th scope="col">Kind</th><th scope="col">Slice</th><th scope="col">Decisions</th><th scope="col">Error</th>
          <th scope="col">Elsewhere</th><th scope="col"><abbr title="False discovery rate at which it is listed">q-value</abbr></th><th scope="col">Examples</th></tr></thead>
        <tbody>${slices.map((slice, index) => html`<${SliceRows} key=${`${slice.kind} ${slice.name}`} slice=${slice} sensitive=${sensitive} project=${project} id=${`slice-${index}`} />`)}</tbody>
      </table></div>`}
  </section>`;
}

function SliceRows({ slice, sensitive, project, id }) {
  const [open, setOpen] = useState(false);
  const { examples } = slice;
  return html`
    <tr>
      <td>${KINDS[slice.kind] ?? slice.kind}</td><th scope="row" class="slice-name">${slice.name}</th><td>${count(slice.decisions)}</td>
      <td class="slice-error">${percent(slice.error)}</td><td>${percent(slice.error_elsewhere)}</td><td>${qValue(slice.q_value)}</td>
      <td>${examples.length > 0 && html`<button class="quiet expander" aria-expanded=${open ? "true" : "false"} aria-controls=${open ? id : undefined}
        onClick=${() => setOpen(!open)}><${Icon} name="expand" />${plural(examples.length, "example")}<span class="visually-hidden"> of ${slice.name}</span></button>`}</td>
    </tr>
    ${open && html`<tr class="examples" id=${id}><td colspan="7"><ul>
      ${examples.map((example) => html`<li key=${example.item_id}>
        <${Covered} sensitive=${sensitive.includes(example.item_id)} item=${example.item_id}><p class="example-text">${example.content}</p></${Covered}>
        <p class="fine">The machine: <b class="tone-machine">${example.machine_label}</b>, people: <b class="tone-people">${example.label}</b>, item <${ItemLink} project=${project} item=${example.item_id} /></p>
      </li>`)}
    </ul></td></tr>`}`;
}

function qValue(value) {
  return value < 0.001 ? "< 0.001" : decimal(value, 3);
}
