// One's own page: work and pay of the last two weeks, breaks, distressing items, and what is measured.
import { html, useCallback, useState } from "./ui.js";
import { OwnAccuracy } from "./accuracy.js";
import { clock, count, decimal, minutes, plural, usd } from "./format.js";
import { call, segment } from "./http.js";
import { Icon } from "./icons.js";
import { mount } from "./page.js";
import { useRepeated } from "./session.js";
import { Blank } from "./shell.js";

const REFRESH_MS = 30_000;
const DAYS = 14;

// Days are the server's: from midnight to midnight UTC.
function lastDays(days) {
  const byDay = new Map(days.map((day) => [day.day, day]));
  const today = new Date(new Date().toISOString().slice(0, 10));
  return Array.from({ length: DAYS }, (_, back) => {
    const day = new Date(today.getTime() - (DAYS - 1 - back) * 86_400_000).toISOString().slice(0, 10);
    return byDay.get(day) ?? { day, decisions: 0, skips: 0, reveals: 0, active_seconds: 0, amount_usd: 0, effective_usd_per_hour: null };
  });
}

// `days` and `care` are null before the first answer; `stale` once the newest are old.
function useMine(project, onExpired) {
  const [mine, setMine] = useState({ days: null, care: null, stale: false, refused: false });
  const load = useCallback(async () => {
    try {
      const [pay, care] = await Promise.all([
        call("GET", `/v1/me/pay?days=${DAYS}`),
        call("GET", `/v1/projects/${segment(project.project)}/care`),
      ]);
      setMine({ days: pay.days, care, stale: false, refused: false });
    } catch (error) {
      if (error.status === 401) return onExpired();
      setMine((was) => ({ ...was, stale: true, refused: error.status === 403 }));
    }
  }, [project.project]);
  useRepeated(load, REFRESH_MS, !mine.refused);
  return { ...mine, load };
}

function Me({ account, project, onExpired }) {
  const { days, care, stale, refused, load } = useMine(project, onExpired);
  if (refused) return html`<main><${Blank} title="This account does not review">
    <p>There is nothing about you to show: this page is for reviewers of the project. How the project goes is on the
      ${" "}<a href="/dashboard${location.search}">dashboard</a>.</p>
  </${Blank}></main>`;
  if (days === null) return html`<main class="page mine" aria-busy="true"><p class="fine" role="status">${stale ? "The server does not answer. Trying again…" : "Loading…"}</p></main>`;
  const here = lastDays(days.filter((day) => day.project === project.project));
  const elsewhere = days.filter((day) => day.project !== project.project && day.day === here.at(-1).day);
  return html`<main class="page mine">
    <header class="page-top">
      <h1>My accuracy and pay</h1>
      ${stale && html`<p class="fresh stale"><i class="dot" aria-hidden="true"></i>These figures are old: the server does not answer.</p>`}
    </header>
    <${Today} day=${here.at(-1)} care=${care} elsewhere=${elsewhere} />
    <div class="mine-columns">
      <div class="mine-main">
        <${Fortnight} days=${here} care=${care} />
        <${OwnAccuracy} project=${project} />
      </div>
      <div class="mine-side">
        <${Breaks} breaks=${care.breaks} />
        <${Sensitive} project=${project} sensitive=${care.sensitive} onChanged=${load} />
        <${Measured} />
      </div>
    </div>
  </main>`;
}

function Today({ day, care, elsewhere }) {
  const { pay } = care;
  const other = elsewhere.reduce((sum, one) => sum + one.active_seconds, 0);
  const hourly = day.effective_usd_per_hour ?? (pay.usd_per_decision === null ? pay.usd_per_hour : null);
  const terms = pay.usd_per_decision === null ? "by the hour at work" : `${usd(pay.usd_per_decision)} for each task`;
  return html`<section aria-labelledby="today-heading">
    <h2 id="today-heading">Today</h2>
    <dl class="mine-tiles">
      <${Tile} name="Decided" value=${count(day.decisions)} about=${day.skips > 0 ? `and ${plural(day.skips, "task")} skipped` : "tasks in this project"} figure="decided" />
      <${Tile} name="At work" value=${minutes(day.active_seconds / 60)} about=${other > 0 ? `and ${minutes(other / 60)} in other projects` : "without the time you were away"} figure="active" />
      <${Tile} name="Earned" value=${usd(day.amount_usd)} about=${terms} figure="earned" />
      <${Tile} name="For an hour" value=${usd(hourly)} about=${floorWords(pay, hourly)} figure="hourly" />
    </dl>
  </section>`;
}

function floorWords(pay, hourly) {
  if (pay.floor_usd_per_hour <= 0) return "what an hour at work brings";
  const floor = usd(pay.floor_usd_per_hour);
  if (hourly === null) return `it should be ${floor} at least`;
  return hourly < pay.floor_usd_per_hour ? `it should be ${floor} at least; your manager sees that too` : `${floor} at least is promised`;
}

function Tile({ name, value, about, figure }) {
  return html`<div class="card mine-tile">
    <dt>${name}</dt>
    <dd class="mine-value" data-figure=${figure}>${value}</dd>
    <dd class="fine">${about}</dd>
  </div>`;
}

function Fortnight({ days, care }) {
  const worked = days.filter((day) => day.active_seconds > 0);
  const amount = days.reduce((sum, day) => sum + day.amount_usd, 0);
  const seconds = days.reduce((sum, day) => sum + day.active_seconds, 0);
  const decisions = days.reduce((sum, day) => sum + day.decisions, 0);
  const told = worked.length === 0
    ? "No work yet. Your days show here, from the first task on."
    : `${plural(decisions, "task")} in ${minutes(seconds / 60)} at work, ${usd(amount)} in all: ${usd(amount / (seconds / 3600))} for an hour.`;
  return html`<section class="card panel" aria-labelledby="fortnight-heading">
    <h2 id="fortnight-heading">The last two weeks</h2>
    <p>${told}</p>
    ${worked.length > 0 && html`<${Columns} days=${days} floor=${care.pay.floor_usd_per_hour} />`}
    ${worked.length > 0 && html`<${DayTable} days=${worked} />`}
    <p class="fine">A day lasts from midnight to midnight UTC, and is counted until the end of the day after.</p>
  </section>`;
}

// Pay for an hour, a column a day, and the floor across them.
function Columns({ days, floor }) {
  const most = 1.15 * Math.max(floor, ...days.map((day) => day.effective_usd_per_hour ?? 0));
  const share = (value) => `${(100 * value) / most}%`;
  return html`<figure class="columns">
    <figcaption class="fine">Pay for an hour at work, by day</figcaption>
    <div class="columns-plot" role="img" aria-label=${summary(days, floor)}>
      ${days.map((day) => html`<i key=${day.day} class=${tone(day)} style=${{ height: share(day.effective_usd_per_hour ?? 0) }}></i>`)}
      ${floor > 0 && html`<u style=${{ bottom: share(floor) }}><span>at least ${usd(floor)}</span></u>`}
    </div>
    <div class="columns-days fine" aria-hidden="true"><span>${short(days[0].day)}</span><span>${short(days[Math.floor(DAYS / 2)].day)}</span><span>today</span></div>
  </figure>`;
}

function tone(day) {
  return day.below_floor ? "low" : "";
}

function summary(days, floor) {
  const paid = days.filter((day) => day.effective_usd_per_hour !== null);
  const low = paid.filter((day) => day.below_floor).length;
  const hourly = paid.map((day) => day.effective_usd_per_hour);
  const range = `From ${usd(Math.min(...hourly))} to ${usd(Math.max(...hourly))} for an hour on ${plural(paid.length, "day")} with work.`;
  return floor > 0 ? `${range} ${low === 0 ? "None" : count(low)} of them below ${usd(floor)}.` : range;
}

function short(day) {
  return new Date(day).toLocaleDateString(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
}

function DayTable({ days }) {
  return html`<div class="data-scroll" tabindex="0" role="region" aria-label="Day by day, table"><table>
    <thead><tr><th scope="col">Day</th><th scope="col">Decided</th><th scope="col">Skipped</th><th scope="col">At work</th><th scope="col">Earned</th><th scope="col">For an hour</th></tr></thead>
    <tbody>${days.toReversed().map((day) => html`<tr key=${day.day}>
      <th scope="row">${short(day.day)}</th><td>${count(day.decisions)}</td><td>${count(day.skips)}</td>
      <td>${minutes(day.active_seconds / 60)}</td><td>${usd(day.amount_usd)}</td>
      <td>${usd(day.effective_usd_per_hour)}${day.below_floor && html`<span class="below"> below the floor</span>`}</td>
    </tr>`)}</tbody>
  </table></div>`;
}

function Breaks({ breaks }) {
  const { active_seconds: active, most_active_seconds: most, since_pause_seconds: since, break_after_seconds: after, break_seconds: pause, rest } = breaks;
  return html`<section class="card panel" aria-labelledby="breaks-heading">
    <h2 id="breaks-heading">Breaks</h2>
    ${rest && html`<p class="note">${rest.reason === "break_due" ? "You are on a break" : "You have done enough for a day"}: new tasks come from ${clock(rest.until)} on.</p>`}
    <dl class="meters">
      <${Bar} name="Since your last pause" value=${minutes(since / 60)} filled=${after > 0 ? since / after : null}
        about=${after > 0 ? `a break of ${decimal(pause / 60)} minutes after ${minutes(after / 60)}` : "no break is prescribed; take one when you like"} />
      <${Bar} name="In the last 24 hours" value=${minutes(active / 60)} filled=${active / most} about=${`of ${minutes(most / 60)} at most, in all projects`} />
    </dl>
  </section>`;
}

function Bar({ name, value, filled, about }) {
  return html`<div class="mine-bar">
    <dt>${name}</dt>
    <dd class="mine-bar-value">${value}</dd>
    ${filled !== null && html`<dd class="track" aria-hidden="true"><i style=${{ width: `${100 * Math.min(1, filled)}%` }}></i></dd>`}
    <dd class="fine">${about}</dd>
  </div>`;
}

function Sensitive({ project, sensitive, onChanged }) {
  const [problem, setProblem] = useState("");
  const [said, setSaid] = useState("");
  if (!sensitive.applies) return null;
  const change = async (event) => {
    const given = event.target.checked;
    try {
      const { given_back: back } = await call("PUT", `/v1/projects/${segment(project.project)}/consent`, { given });
      setProblem("");
      setSaid(back > 0 ? `Stored. ${plural(back, "task")} you had in hand went to others.` : "Stored.");
      await onChanged();
    } catch {
      event.target.checked = !given;
      setProblem("That was not stored: the server does not answer. Try again in a moment.");
    }
  };
  return html`<section class="card panel" aria-labelledby="sensitive-heading">
    <h2 id="sensitive-heading">Distressing texts</h2>
    <label class="consent-switch">
      <input type="checkbox" role="switch" checked=${sensitive.consent === true} onChange=${change} />
      <span>I would see distressing texts</span>
    </label>
    ${sensitive.consent === null && html`<p class="fine">You have not said yet: that counts as no.</p>`}
    <p class="fine">Some texts of this project may be hard to read. They go only to people who say so here, and each stays hidden until
      you ask for it. Change your mind whenever you like: what you have in hand goes to others, and nothing changes about your pay, your
      other work or how you are judged.</p>
    <p data-figure="shown">${plural(sensitive.shown, "text")} shown in the last 24 hours, of ${count(sensitive.most)} at most.</p>
    <p class="fine" role="status">${said}</p>
    <p class="problem" role="alert">${problem}</p>
  </section>`;
}

const SEEN_BY = [
  ["What you answered, skipped, flagged or wrote, and when", "you, and the project's managers"],
  ["Minutes at work: from one answer to the next, and whether the page was touched in between (never which key, nor what you typed or looked at)", "you, and the project's managers as minutes a day"],
  ["Decisions, minutes and pay by day", "you, and the project's managers"],
  ["How many distressing texts you asked to see", "you, and the project's managers as a number a day"],
  ["Your consent to distressing texts", "you alone"],
];

function Measured() {
  return html`<section class="card panel" aria-labelledby="measured-heading">
    <h2 id="measured-heading">What is measured about me</h2>
    <ul class="measured">
      ${SEEN_BY.map(([what, who]) => html`<li key=${what}><span>${what}</span><span class="fine"><${Icon} name="eye" />Seen by ${who}</span></li>`)}
    </ul>
    <p class="fine">Other reviewers see nothing of it. A minute of thinking without touching anything counts as work; longer absences do not.
      Hidden checks and training are paid like any other task, and the time of skipped ones counts too. Administrators of the system can do
      what managers can.</p>
  </section>`;
}

mount("me", Me);
