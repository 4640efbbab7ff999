// Agreement: how far people agree with each other and with the machine, on which labels they do not, and since when.
// For managers.
import { html, useState } from "./ui.js";
import { count, date, percent, plural } from "./format.js";
import { Icon } from "./icons.js";
import { ItemLink } from "./items.js";
import { Meanings } from "./meanings.js";
import { Meter } from "./promise.js";
import { Covered } from "./sensitive.js";
import { useForManagers } from "./session.js";

const REFRESH_MS = 120_000;
const MOST_WEEKS = 12;
const STATES = {
  good: ["check", "Reliable"], // even by the lower end of the interval
  fair: ["gathering", "Tentative"],
  poor: ["alarm", "Not reliable"],
  unknown: ["help", "Not known yet"],
};
const COEFFICIENTS = [
  ["percent", "Pairs that agree", percent],
  ["cohen", "Cohen’s kappa", coefficient],
  ["fleiss", "Fleiss’ kappa", coefficient],
  ["alpha", "Krippendorff’s alpha", coefficient],
  ["ac1", "Gwet’s AC1", coefficient],
];

const MEANINGS = [
  ["Alpha, kappa, AC1", "How much more two people agree than chance would have them: 1 is always, 0 no more than chance, below 0 less."],
  ["Alpha", "Krippendorff’s: for any number of people, also where not all decided every item. From 0.8 on, labels count as reliable."],
  ["Kappa", "Cohen’s compares two people, Fleiss’ several; both need the same people, or as many, on every item."],
  ["AC1", "Gwet’s: takes chance by another measure, which stays fair where nearly all items have the same label."],
  ["Likely", "The interval that holds the true figure 95 times in 100; it gets narrower with more items."],
  ["Blind", "Decided without sight of the machine’s suggestion, which draws answers together."],
];

export function useAgreement(project) {
  return useForManagers(project, "agreement", REFRESH_MS);
}

export function AgreementSection({ agreement, project }) {
  const people = shown(agreement, "people");
  return html`<section class="agreement" aria-labelledby="agreement-heading">
    <h2 id="agreement-heading">Agreement</h2>
    <${Verdict} agreement=${agreement} people=${people} machine=${shown(agreement, "machine")} />
    ${known(people) && html`<div class="charts">
      ${people.alpha.value !== null && html`<${ByLabel} people=${people} />`}<${ByWeek} people=${people} /></div>`}
    ${agreement.pairs.length > 0 && html`<${Confused} agreement=${agreement} project=${project} />`}
  </section>`;
}

// Blind decisions where there are enough of them: a suggestion draws answers together.
function shown(agreement, between) {
  const [blind, suggested] = agreement.comparisons.filter((one) => one.between === between);
  const more = suggested.alpha.items > blind.alpha.items || (known(suggested) && !known(blind));
  return blind.alpha.value === null && more ? suggested : blind;
}

// By this guideline or by another, which a week tells of.
function known(one) {
  return one.alpha.value !== null || one.weeks.some((week) => week.alpha.value !== null);
}

function coefficient(value) {
  return value.toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

function range({ low, high }, format = coefficient) {
  return low === null ? "" : `${format(low)} to ${format(high)}`;
}

function Verdict({ agreement, people, machine }) {
  const { verdict } = agreement;
  const [icon, name] = STATES[verdict.state];
  return html`<div class=${`card findings findings-${verdict.state}`} data-state=${verdict.state}>
    <p class="state"><${Icon} name=${icon} />${name}</p>
    <p class="verdict">${verdict.sentence}</p>
    <p class="fine">Of decisions made with guideline version ${agreement.guideline_version}.</p>
    ${agreement.withheld > 0 && html`<p class="fine">Without ${plural(agreement.withheld, "item")} that you may be asked about in a blind check.</p>`}
    ${agreement.limited && html`<p class="fine">Of the newest ${count(agreement.decisions)} decisions.</p>`}
    <dl class="meters">
      <${Coefficient} name="Among people" figure=${people.alpha} tone="people"
        about=${`alpha, ${plural(people.raters, "person", "people")}, ${seen(people)}`} />
      <${Coefficient} name="People with the machine" figure=${machine.alpha} about=${`alpha, ${seen(machine)}`} />
      <${Coefficient} name="Pairs that agree" figure=${people.percent} format=${percent} tone="people" mark=${null} about="among people, chance included" />
      <${Coefficient} name="Among people, by AC1" figure=${people.ac1} tone="people" about="fairer where one label dominates" />
    </dl>
    <${Everything} comparisons=${agreement.comparisons} />
    <${Meanings} title="What these figures mean" of=${MEANINGS} />
  </div>`;
}

function seen({ blind }) {
  return blind ? "blind" : "with the suggestion in sight";
}

// The mark stands where labels count as reliable.
function Coefficient({ name, figure, about, format = coefficient, tone = "machine", mark = 0.8 }) {
  if (figure.value === null) return html`<${Meter} name=${name} value="–" about=${`${about}; ${figure.undefined}`} />`;
  const likely = figure.low === null ? "" : `, likely ${range(figure, format)}`;
  return html`<${Meter} name=${name} value=${format(figure.value)} filled=${Math.max(0, figure.value)} mark=${mark} tone=${tone}
    about=${`${about}; ${plural(figure.items, "item")}${likely}`} />`;
}

function Everything({ comparisons }) {
  const [open, setOpen] = useState(false);
  const heads = comparisons.map(({ between, blind }) => `${between === "people" ? "People" : "Machine and person"}, ${blind ? "blind" : "suggestion seen"}`);
  return html`<details class="data" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>All figures as a table</summary>
    ${open && html`<div class="data-scroll" tabindex="0" role="region" aria-label="Agreement, table"><table>
      <thead><tr><th scope="col">Figure</th>${heads.map((head) => html`<th scope="col" key=${head}>${head}</th>`)}</tr></thead>
      <tbody>
        ${COEFFICIENTS.map(([key, name, format]) => html`<tr key=${key}><th scope="row">${name}</th>
          ${comparisons.map((one, index) => html`<td key=${index}><${Cell} figure=${one[key]} format=${format} /></td>`)}</tr>`)}
        <tr><th scope="row">Items</th>${comparisons.map((one, index) => html`<td key=${index}>${count(one.percent.items)}</td>`)}</tr>
      </tbody>
    </table></div>`}
  </details>`;
}

function Cell({ figure, format }) {
  if (figure.value === null) return html`<span class="reason">${figure.undefined}</span>`;
  return html`${format(figure.value)} <span class="fine">${range(figure, format)}</span>`;
}

// A bar from 0 to 1 with its interval; what lies below 0 is chance, and is drawn as 0.
function Bar({ figure }) {
  const [low, value, high] = [figure.low ?? figure.value, figure.value, figure.high ?? figure.value].map((share) => 100 * Math.max(0, Math.min(1, share)));
  return html`<i class="whisker" aria-hidden="true">
    <b style=${{ left: `${low}%`, width: `${high - low}%` }}></b><u style=${{ left: `${value}%` }}></u><s></s>
  </i>`;
}

function Rows({ name, rows }) {
  return html`<ul class="bars" aria-label=${name}>
    ${rows.map(({ key, title, note, figure }) => html`<li key=${key}>
      <p class="bar-title">${title}<span class="fine">${note}</span></p>
      ${figure.value === null
        ? html`<p class="reason">${figure.undefined}</p>`
        : html`<${Bar} figure=${figure} /><p class="bar-value"><b>${coefficient(figure.value)}</b><span class="fine">${range(figure)}</span></p>`}
    </li>`)}
  </ul>`;
}

function ByLabel({ people }) {
  const rows = people.labels.map(({ label, alpha, specific }) => ({
    key: label,
    title: label,
    note: specific.value === null ? "" : `where one says so, another does in ${percent(specific.value, 0)}`,
    figure: alpha,
  }));
  return html`<section class="card by" aria-labelledby="by-label-heading">
    <h3 id="by-label-heading">By label, the least clear first</h3>
    <p class="fine">Each against all others: alpha with its 95% interval. From 0.8, the mark, labels are reliable.</p>
    <${Rows} name="Agreement by label" rows=${rows} />
  </section>`;
}

function ByWeek({ people }) {
  const several = new Set(people.weeks.map((week) => week.guideline_version)).size > 1;
  const rows = people.weeks.slice(-MOST_WEEKS).toReversed().map((one) => ({
    key: `${one.week} ${one.guideline_version}`,
    title: date(one.week),
    note: `${several ? `guideline ${one.guideline_version}, ` : ""}${plural(one.alpha.items, "item")}`,
    figure: one.alpha,
  }));
  return html`<section class="card by" aria-labelledby="by-week-heading">
    <h3 id="by-week-heading">By week, the newest first</h3>
    <p class="fine">Alpha among people, by the Monday that began the week${several ? ", under each guideline" : ""}.</p>
    <${Rows} name="Agreement by week" rows=${rows} />
  </section>`;
}

function Confused({ agreement, project }) {
  return html`<section class="card slices" aria-labelledby="confused-heading">
    <h3 id="confused-heading">Where the guideline is ambiguous</h3>
    <p class="fine">Labels that people gave to the same item, the most confused first.${agreement.examples_withheld > 0 && " Items that still wait for people are no examples: you may be asked about them."}</p>
    <ul class="confused">
      ${agreement.pairs.map((pair, index) => html`<${Pair} key=${pair.labels.join(" ")} pair=${pair} project=${project} agreement=${agreement} id=${`pair-${index}`} />`)}
    </ul>
  </section>`;
}

function Pair({ pair, project, agreement, id }) {
  const [open, setOpen] = useState(false);
  const [one, other] = pair.labels;
  const { contents, sensitive } = agreement;
  return html`<li class="pair">
    <p class="pair-labels"><b>${one}</b> or <b>${other}</b>
      <span class="fine">${count(pair.items)} of ${plural(pair.either, "item")} with either (${percent(pair.items / pair.either, 0)})</span></p>
    ${pair.examples.length > 0 && html`<button class="quiet expander" aria-expanded=${open ? "true" : "false"} aria-controls=${open ? id : undefined} onClick=${() => setOpen(!open)}>
      <${Icon} name="expand" />${plural(pair.examples.length, "example")}<span class="visually-hidden"> of ${one} or ${other}</span></button>`}
    ${open && html`<ul class="pair-examples" id=${id}>
      ${pair.examples.map(({ item_id: item, said }) => html`<li key=${item}>
        <${Covered} sensitive=${sensitive.includes(item)} item=${item}><p class="example-text">${contents[item] ?? ""}</p></${Covered}>
        <p class="fine">${Object.entries(said).map(([label, people]) => `${people} × ${label}`).join(", ")}, item <${ItemLink} project=${project} item=${item} /></p>
      </li>`)}
    </ul>`}
  </li>`;
}
