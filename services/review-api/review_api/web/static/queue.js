// The queue, for managers: what waits, for how long, why, in whose hands, and what is handed out next.
import { html, useCallback, useState } from "./ui.js";
import { count, decimal, duration, minutes, percent, plural } from "./format.js";
import { call, segment } from "./http.js";
import { Icon } from "./icons.js";
import { ItemLink, labelText, reasonWords } from "./items.js";
import { mount } from "./page.js";
import { Covered } from "./sensitive.js";
import { mayManage, useRepeated } from "./session.js";
import { Blank } from "./shell.js";
import { Oldest, Tile, Waiting } from "./tiles.js";

const REFRESH_MS = 5000;
const NEXT = 20;

function useQueue(project, pool, active, onExpired) {
  const [shown, setShown] = useState(null);
  const [stale, setStale] = useState(false);
  const base = `/v1/projects/${segment(project.project)}`;
  const load = useCallback(async () => {
    try {
      const next = `${base}/queue/next?${new URLSearchParams({ pool, count: NEXT })}`;
      const [queue, { tasks }, status] = await Promise.all([call("GET", `${base}/queue`), call("GET", next), call("GET", `${base}/status`)]);
      setShown({ queue, tasks, pool, status, at: queue.serverNow });
      setStale(false);
    } catch (error) {
      if (error.status === 401) onExpired();
      else setStale(true);
    }
  }, [project.project, pool]);
  useRepeated(load, REFRESH_MS, active);
  return { shown, stale, load, base };
}

function QueuePage({ account, project, onExpired }) {
  const [pool, setPool] = useState("");
  const [said, setSaid] = useState("");
  const manages = mayManage(account, project.project);
  const { shown, stale, load, base } = useQueue(project, pool, manages, onExpired);
  const act = async (path, body, done) => {
    try {
      await call("POST", `${base}/tasks/${path}`, body);
      setSaid(done);
    } catch (error) {
      if (error.status === 401) return onExpired();
      setSaid(`${error.message[0].toUpperCase()}${error.message.slice(1)}.`);
    }
    return load();
  };
  if (!manages) return html`<main class="page board"><${Blank} title="For managers"><p>What waits, and in whose hands it is, managers of the project see here.</p></${Blank}></main>`;
  return html`<main class="page board queue">
    <header class="page-top">
      <h1>Queue</h1>
      ${shown && html`<p class=${stale ? "fresh stale" : "fresh fine"}><i class="dot" aria-hidden="true"></i>
        ${stale ? "No connection. " : ""}Counted at ${new Date(shown.queue.counted_at).toLocaleTimeString()}</p>`}
    </header>
    <p class="said" role="status">${said}</p>
    ${shown === null && !stale && html`<div class="tiles" aria-busy="true"></div>`}
    ${shown === null && stale && html`<${Blank} title="Nothing known yet"><p>The server does not answer. Trying again every few seconds.</p></${Blank}>`}
    ${shown && html`
      <${Tiles} queue=${shown.queue} status=${shown.status} />
      <${OutOfReach} queue=${shown.queue} />
      <div class="queue-pair"><${Ages} queue=${shown.queue} /><${Reasons} queue=${shown.queue} /></div>
      <${Leases} queue=${shown.queue} project=${project.project} onRelease=${(lease) =>
        act(`${lease.task_id}/release`, { reviewer: lease.reviewer }, `${lease.item_id} is back in the queue.`)} />
      <${Next} shown=${shown} project=${project.project} pool=${pool} onPool=${setPool}
        onFront=${(task) => act(`${task.task_id}/priority`, {}, `${task.item_id} comes next.`)} />`}
  </main>`;
}

function Tiles({ queue, status }) {
  const { pace, forecast } = queue;
  const open = [
    queue.begun > 0 && `${count(queue.begun)} begun`,
    queue.out_of_reach > 0 && `${count(queue.out_of_reach)} that nobody may take`,
    queue.adjudications > 0 && `${count(queue.adjudications)} for experts`,
    queue.distressing > 0 && `${count(queue.distressing)} distressing`,
    queue.rereviews > 0 && `${count(queue.rereviews)} to look at again`,
    queue.waiting_for_item > 0 && `${count(queue.waiting_for_item)} without their item yet`,
  ].filter(Boolean);
  return html`<section class="tiles" aria-label="Figures">
    <${Waiting} status=${status} />
    <${Tile} name="Ready to take" tone="people" value=${count(queue.open)} about=${open.join(", ") || "none of them begun"}
      title="Tasks that somebody can take now. One that takes several decisions can be ready and in somebody's hands at once" />
    <${Oldest} queue=${queue} />
    <${Tile} name="Pace" value=${`${decimal(pace.decisions)}/min`} about=${`decisions in the last 5 minutes, by ${plural(pace.people, "person", "people")}; ${decimal(pace.arrivals)} tasks a minute came in over ${duration(pace.arrivals_hours * 3600)}`} />
    <${Tile} name="Work that waits" value=${minutes(forecast.minutes)} about=${`${plural(queue.open, "task")} at ${decimal(pace.seconds_each)} s a decision, ${pace.measured ? "as measured" : "by the project's file"}; ${leftWords(queue)}`} />
    <${PeopleNeeded} queue=${queue} />
  </section>`;
}

// People come whole; the sub-line tells what the number is based on.
function PeopleNeeded({ queue: { pace, forecast } }) {
  const within = duration(forecast.within_hours * 3600);
  const more = forecast.people_for_arrivals;
  const arriving = more > 0 ? `; ${tenths(more)} more if as much comes in as in the last ${duration(pace.arrivals_hours * 3600)}` : "";
  return html`<${Tile} name="People needed" value=${count(Math.ceil(forecast.people_needed))}
    about=${`${tenths(forecast.people_needed)} at work all the time, to be through with what waits within ${within}${arriving}`}
    title=${`${minutes(forecast.minutes)} of work that waits, divided by ${within}: the project's SLA, or else a working day`} />`;
}

function tenths(people) {
  return people > 0 && people < 0.1 ? "under 0.1" : decimal(people);
}

function leftWords({ open, out_of_reach: beyond, forecast }) {
  if (open === 0) return "nothing waits";
  if (open === beyond) return "nobody may take it";
  if (forecast.hours_left === null) return "it does not shrink now";
  return `done in ${duration(forecast.hours_left * 3600)} at this pace${beyond > 0 ? `, but for ${count(beyond)} that nobody may take` : ""}`;
}

// What waits for nobody that there is: no pace ends it, only a skill, a role or somebody's consent.
function OutOfReach({ queue }) {
  const pools = queue.pools.filter((pool) => pool.people === 0);
  if (pools.length === 0) return null;
  return html`<section class="out-of-reach" aria-labelledby="out-of-reach-heading">
    <h2 id="out-of-reach-heading"><${Icon} name="alarm" />Nobody may take ${plural(queue.out_of_reach, "task")}</h2>
    <ul>${pools.map((pool) => html`<li key=${pool.pool}>${missingWords(pool)}</li>`)}</ul>
    <p class="fine">You give roles and skills on <a href=${`/people${location.search}`}>People</a>. Gold of a skill lets people qualify for it by themselves.</p>
  </section>`;
}

function missingWords({ tasks, skill, distressing }) {
  const what = plural(tasks, distressing ? "distressing task" : "task");
  const verb = (one, several) => (tasks === 1 ? one : several);
  const sees = distressing ? " and would see such texts" : "";
  if (skill === "expert") return `${what} ${verb("waits", "wait")} for an expert; nobody is one${sees}.`;
  if (skill !== "") return html`${what} ${verb("needs", "need")} the skill <b>${skill}</b>; nobody has it${sees}.`;
  if (distressing) return `${what} ${verb("waits", "wait")}; nobody has said that they would see such texts.`;
  return `${what} ${verb("waits", "wait")} for anybody; nobody reviews here yet.`;
}

// rows: [{name, tasks, note, tone}]
function Bars({ rows, whole, label }) {
  const most = Math.max(1, ...rows.map((row) => row.tasks));
  return html`<ul class="queue-bars" aria-label=${label}>
    ${rows.map((row) => html`<li key=${row.name} class=${row.tone ?? ""}>
      <span class="bar-name">${row.name}</span>
      <span class="track people" aria-hidden="true"><i style=${{ width: `${(100 * row.tasks) / most}%` }}></i></span>
      <span class="bar-count">${whole > 0 && row.share ? percent(row.tasks / whole, 0) : count(row.tasks)}${row.tone === "late" && html`<span class="visually-hidden"> past the SLA</span>`}</span>
    </li>`)}
  </ul>`;
}

function Ages({ queue }) {
  const oldest = queue.ages.findLastIndex((bin) => bin.tasks > 0);
  const rows = queue.ages.slice(0, oldest + 1).map((bin) => ({ name: binName(bin), tasks: bin.tasks, tone: bin.late && bin.tasks > 0 ? "late" : "" }));
  return html`<section class="card queue-card" aria-labelledby="ages-heading">
    <h2 id="ages-heading">How long they have waited</h2>
    <p class="fine">${queue.sla_hours === null ? "Tasks ready to take, by age." : `Tasks ready to take, by age; the SLA is ${duration(queue.sla_hours * 3600)}.`}</p>
    ${queue.open === 0 ? html`<p class="nothing">Nothing waits.</p>` : html`<${Bars} rows=${rows} whole=${queue.open} label="Tasks by age" />`}
  </section>`;
}

function binName({ least, most }) {
  if (most === null) return `over ${duration(least)}`;
  return least === 0 ? `up to ${duration(most)}` : `${duration(least)} to ${duration(most)}`;
}

function Reasons({ queue }) {
  const rows = Object.entries(queue.reasons).map(([reason, tasks]) => ({ name: reasonWords(reason), tasks, share: true }));
  return html`<section class="card queue-card" aria-labelledby="reasons-heading">
    <h2 id="reasons-heading">Why people are asked</h2>
    <p class="fine">The gravest reason of each task${queue.reasons_sampled < queue.open ? `, estimated from ${count(queue.reasons_sampled)} of them` : ""}.</p>
    ${rows.length === 0 ? html`<p class="nothing">Nothing waits.</p>` : html`<${Bars} rows=${rows} whole=${queue.reasons_sampled} label="Tasks by reason" />`}
  </section>`;
}

function Leases({ queue, project, onRelease }) {
  const { leases, in_hand: all } = queue;
  return html`<section class="card queue-card" aria-labelledby="leases-heading">
    <h2 id="leases-heading">In whose hands</h2>
    ${leases.length === 0 && html`<p class="nothing">Nobody has a task in hand.</p>`}
    ${leases.length > 0 && html`<div class="data-scroll" tabindex="0" role="region" aria-label="Tasks in hand, table"><table>
      <thead><tr><th scope="col">Person</th><th scope="col">Item</th><th scope="col">Held for</th><th scope="col">Idle for</th><th scope="col" class="do"><span class="visually-hidden">Action</span></th></tr></thead>
      <tbody>${leases.map((lease) => html`<tr key=${`${lease.task_id} ${lease.reviewer}`} class=${lease.stuck ? "stuck" : ""}>
        <th scope="row">${lease.reviewer}</th>
        <td class="cut"><${ItemLink} project=${project} item=${lease.item_id} /></td>
        <td>${duration((queue.serverNow - lease.since) / 1000)}</td>
        <td>${duration(lease.idle_seconds)}${lease.stuck && html` <span class="stuck-mark"><${Icon} name="alarm" />stuck</span>`}</td>
        <td class="do"><button onClick=${() => onRelease(lease)}>Take back<span class="visually-hidden"> ${lease.item_id} from ${lease.reviewer}</span></button></td>
      </tr>`)}</tbody>
    </table></div>`}
    ${leases.length < all && html`<p class="fine">The ${count(leases.length)} held for longest, of ${count(all)}.</p>`}
  </section>`;
}

function Next({ shown, project, pool, onPool, onFront }) {
  const { tasks, queue } = shown;
  const several = queue.pools.length > 1 || (queue.pools.length === 1 && queue.pools[0].pool !== "");
  const known = queue.pools.some((one) => one.pool === pool) ? queue.pools : [{ pool, skill: pool.replace(/!$/, ""), distressing: pool.endsWith("!"), tasks: 0 }, ...queue.pools];
  return html`<section class="card queue-card" aria-labelledby="next-heading">
    <header class="queue-next-top">
      <h2 id="next-heading">Next in order</h2>
      ${several && html`<label class="pool">Pool<select value=${pool} onChange=${(event) => onPool(event.target.value)}>
        ${known.map((one) => html`<option key=${one.pool} value=${one.pool}>${poolName(one)} (${count(one.tasks)})</option>`)}
      </select></label>`}
    </header>
    ${tasks.length === 0 && html`<p class="nothing">Nothing waits here.</p>`}
    <ol class="next">${tasks.map((task) => html`<${NextTask} key=${task.task_id} task=${task} others=${tasks.some((one) => one !== task && one.item_id === task.item_id)} project=${project} distressing=${shown.pool.endsWith("!")} now=${shown.at} onFront=${onFront} />`)}</ol>
  </section>`;
}

function poolName({ skill, distressing }) {
  const name = skill === "" ? "For anybody" : skill === "expert" ? "For experts" : `Skill ${skill}`;
  return distressing ? `${name}, distressing` : name;
}

// `others`: there is another task of the same item, by another version of the guideline.
function NextTask({ task, others, project, distressing, now, onFront }) {
  const facts = [
    `${duration((now - task.created_at) / 1000)} old`,
    task.needed > 1 && `${task.decided} of ${task.needed} decided`,
    task.open > 1 && `${task.open} open`,
    task.again && "decided before, looked at again",
    others && `by guideline ${task.guideline_version}`,
    task.in_front && "put in front",
  ];
  return html`<li class="next-task">
    <div class="next-what">
      <p class="next-id"><${ItemLink} project=${project} item=${task.item_id}><bdi>${task.item_id}</bdi></${ItemLink}>
        <span class="fine">${facts.filter(Boolean).join(", ")}</span></p>
      <${Covered} sensitive=${distressing} item=${task.item_id}><p class="excerpt" dir="auto">${task.excerpt}${task.is_cut && "…"}</p></${Covered}>
    </div>
    <${Machine} task=${task} />
    <button disabled=${task.again} onClick=${() => onFront(task)}>To the front<span class="visually-hidden">: ${task.item_id}</span></button>
  </li>`;
}

function Machine({ task }) {
  if (task.blind) return html`<p class="next-machine blind-mark"><${Icon} name="blind" />Blind check</p>`;
  return html`<p class="next-machine"><b>${labelText(task.label)}</b> ${percent(task.confidence, 0)}<span class="fine">${task.reasons.map(reasonWords).join("; ")}</span></p>`;
}

mount("queue", QueuePage);
