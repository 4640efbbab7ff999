// One item from its arrival to its final label: every vote, route and decision; and for managers the list of items.
import { html, useCallback, useEffect, useState } from "./ui.js";
import { count, dateTime, decimal, duration, percent, plural, usd } from "./format.js";
import { call, segment } from "./http.js";
import { Icon } from "./icons.js";
import { ItemList } from "./itemlist.js";
import { distresses, labelText, reasonWords } from "./items.js";
import { mount } from "./page.js";
import { Covered } from "./sensitive.js";
import { mayManage } from "./session.js";
import { Blank } from "./shell.js";

const STATES = {
  scoring: "On its way to the voters",
  waiting: "Waits for people",
  in_hand: "In somebody's hands",
  reviewed_again: "Final, and reviewed again",
  final: "Final",
};
const REFUSALS = {
  task_in_hand: "You hold this item",
  not_settled: "Not settled yet",
  not_yours: "Not one of yours",
  unknown_item: "No such item",
};
const MOST_BARS = 5;
const PROPENSITY = "Propensity: with what chance an item is drawn for people. One drawn with a small chance stands for many that were not";
const CALIBRATED = "Calibrated: of items with a confidence of 90%, about 90% are right, as people's decisions have shown";

// The item in the address; choosing one makes an entry in the browser's history.
function useChosenItem() {
  const read = () => new URL(location.href).searchParams.get("item") ?? "";
  const [item, setItem] = useState(read);
  useEffect(() => {
    const back = () => setItem(read());
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  const choose = useCallback((next) => {
    const url = new URL(location.href);
    if (next) url.searchParams.set("item", next);
    else url.searchParams.delete("item");
    history.pushState(null, "", url);
    setItem(next);
    scrollTo(0, 0);
  }, []);
  return [item, choose];
}

function useLineage(project, item, onExpired) {
  const [answer, setAnswer] = useState(null);
  const load = useCallback(async () => {
    if (!item) return;
    try {
      setAnswer({ item, found: await call("GET", `/v1/projects/${segment(project.project)}/lineage?${new URLSearchParams({ item })}`) });
    } catch (error) {
      if (error.status === 401) onExpired();
      else setAnswer({ item, error });
    }
  }, [project.project, item]);
  useEffect(() => {
    load();
  }, [load]);
  return [answer?.item === item ? answer : null, load];
}

function ItemPage({ account, project, onExpired }) {
  const [item, choose] = useChosenItem();
  const [answer, reload] = useLineage(project, item, onExpired);
  const manages = mayManage(account, project.project);
  return html`<main class="page narrow items">
    <${Search} key=${item} item=${item} onChoose=${choose} />
    ${!item && manages && html`<${ItemList} project=${project} onChoose=${choose} onExpired=${onExpired} />`}
    ${!item && !manages && html`<${Blank} title="Which item?"><p>Enter the id of an item that you have decided. Once it is settled, you see here what became of it.</p></${Blank}>`}
    ${item && answer === null && html`<div class="card lineage-top" aria-busy="true"></div>`}
    ${item && answer?.error && html`<${Refused} error=${answer.error} onRetry=${reload} />`}
    ${item && answer?.found && html`<${Lineage} key=${item} lineage=${answer.found} item=${item} spec=${project.spec} manages=${manages} />`}
  </main>`;
}

function Search({ item, onChoose }) {
  const submit = (event) => {
    event.preventDefault();
    onChoose(new FormData(event.currentTarget).get("item"));
  };
  return html`<header class="page-top">
    <h1>${item ? "Item" : "Items"}</h1>
    <form class="search" role="search" onSubmit=${submit}>
      <label><span class="visually-hidden">Id of an item</span>
        <input name="item" type="search" maxlength="200" defaultValue=${item} placeholder="Id of an item" autocomplete="off" spellcheck=${false} /></label>
      <button>Show</button>
      ${item && html`<button type="button" class="quiet" onClick=${() => onChoose("")}>All items</button>`}
    </form>
  </header>`;
}

function Refused({ error, onRetry }) {
  const title = error.mayPass ? "The server does not answer" : REFUSALS[error.code] ?? "This cannot be shown";
  const detail = error.mayPass ? "Try again in a moment." : `${error.message[0].toUpperCase()}${error.message.slice(1)}.`;
  return html`<${Blank} title=${title}>
    <p>${detail}</p>
    ${error.code !== "unknown_item" && html`<button onClick=${onRetry}>Try again</button>`}
  </${Blank}>`;
}

function Lineage({ lineage, item, spec, manages }) {
  const { events } = lineage;
  return html`
    <${Top} lineage=${lineage} item=${item} covered=${manages && distresses(spec, lineage.item?.metadata ?? {})} />
    ${lineage.labels_withheld && html`<p class="withheld" role="note"><${Icon} name="blind" />A blind check of this item waits, and you may be
      given it. What the machine and others said is shown once it is settled.</p>`}
    <section aria-labelledby="timeline-heading">
      <h2 id="timeline-heading">What happened</h2>
      <ol class="timeline">
        ${events.map((event, index) => html`<${Step} key=${index} event=${event} before=${events[index - 1]} spec=${spec} />`)}
        ${lineage.holders.map((holder) => html`<${Held} key=${holder.task_id} holder=${holder} />`)}
      </ol>
    </section>`;
}

const TONES = { final: "machine", scoring: "" };

// `covered`: the text distresses. Reviewers are not told it here at all.
function Top({ lineage, item, covered }) {
  const { item: arrived, final_label: final, state } = lineage;
  const long = (arrived?.content.length ?? 0) > 600;
  return html`<section class="card lineage-top" aria-label="The item">
    <header>
      <h2 class="item-id"><bdi>${item}</bdi></h2>
      <span class=${`chip ${TONES[state] ?? "people"}`} data-state=${state}>${STATES[state]}</span>
    </header>
    ${arrived && html`<${Covered} sensitive=${covered} item=${item}><div class=${long ? "item-text long" : "item-text"} dir="auto"
      tabindex=${long ? 0 : undefined} role=${long ? "region" : undefined} aria-label=${long ? "Text of the item" : undefined}>${arrived.content}</div></${Covered}>`}
    ${!arrived && html`<p class="fine">Its text is not here.</p>`}
    ${arrived && html`<${Facts} item=${arrived} />`}
    ${final && html`<p class=${`verdict-line tone-${final.source === "people" ? "people" : "machine"}`}>
      <span class="fine">Final label</span><strong>${labelText(final.label)}</strong>
      <span class="fine">by ${final.source === "people" ? "people" : "the machine"}, ${dateTime(final.decided_at)}, guideline ${final.guideline_version}</span>
    </p>`}
  </section>`;
}

// Where an item comes from stands in its metadata behind an @; it is told with its metadata, first.
function Facts({ item }) {
  const origin = Object.entries(item.provenance ?? {});
  const rest = Object.entries(item.metadata).filter(([name]) => !name.startsWith("@"));
  if (origin.length + rest.length === 0) return null;
  const fact = ([name, value], kind) => html`<div key=${kind + name} class=${kind}><dt>${name}</dt><dd dir="auto">${value}</dd></div>`;
  return html`<dl class="item-facts">${origin.map((one) => fact(one, "origin"))}${rest.map((one) => fact(one, "given"))}</dl>`;
}

const STEPS = {
  ingested: () => ({ title: "Taken in" }),
  scored: (event, spec) => ({ title: "Voted on", tone: "machine", body: html`<${Scored} event=${event} spec=${spec} />` }),
  routed: (event) => ({ title: event.outcome === "accepted" ? "Accepted" : "Sent to people", tone: "machine", label: event.label, body: html`<${Routed} event=${event} />` }),
  task_opened: (event) => ({ title: "Task opened", tone: "people", about: taskWords(event) }),
  task_withdrawn: (event) => ({ title: "Task withdrawn", tone: "machine", label: event.label, about: "New evidence covers it: the machine's label became final before anybody had begun." }),
  decided: (event) => ({ title: `${name(event.who)} decided`, tone: "people", label: event.label, about: decidedWords(event) }),
  commented: (event) => ({ title: `${name(event.who)} commented`, tone: "people", quote: event.text, about: event.audience === "managers" ? "to managers" : undefined }),
  flagged: (event) => ({ title: `${name(event.who)} flagged it`, tone: "people", quote: event.text, about: event.flag.replaceAll("_", " ") }),
  flag_resolved: (event) => ({ title: `${name(event.who)} resolved the flag`, tone: "people", quote: event.answer }),
  settled: (event) => ({ title: "Settled", tone: "people", label: event.label }),
  label_replaced: (event) => ({ title: "No longer final", label: event.label, about: replacedWords(event) }),
  rereview_opened: (event) => ({ title: "Opened again", tone: "people", label: event.label_before, about: "This label is doubted: others decide once more, blind." }),
  rereview_settled: (event) => ({ title: "Settled again", tone: "people", label: event.label, about: changeWords(event.changed) }),
};

function Step({ event, before, spec }) {
  const { title, tone = "plain", label, about, quote, body } = (STEPS[event.type] ?? other)(event, spec);
  return html`<li class=${`step step-${tone}`} data-step=${event.type}>
    <div class="step-top">
      <h3>${title}${label !== undefined && html`<span class="step-label" dir="auto">${labelText(label)}</span>`}</h3>
      <${When} at=${event.at} before=${before?.at} />
    </div>
    ${about && html`<p class="fine">${about}</p>`}
    ${quote && html`<blockquote dir="auto">${quote}</blockquote>`}
    ${body}
  </li>`;
}

function other(event) {
  return { title: event.type.replaceAll("_", " ") };
}

function When({ at, before }) {
  const after = before === undefined ? null : (at - before) / 1000;
  return html`<p class="when"><time datetime=${new Date(at).toISOString()}>${dateTime(at)}</time>${after >= 1 && html`<span>${duration(after)} later</span>`}</p>`;
}

function Held({ holder }) {
  return html`<li class="step step-people step-now" data-step="held">
    <div class="step-top"><h3>${name(holder.who)} ${holder.who.you ? "have" : "has"} it in hand</h3><${When} at=${holder.since} /></div>
  </li>`;
}

function name(who) {
  return who.you ? "You" : who.name ?? "A reviewer";
}

function taskWords(event) {
  const blind = event.blind ? "Blind: reviewers do not see what the machine said." : "Reviewers see the machine's suggestion.";
  return `${event.needed === 1 ? "One decision is" : `${event.needed} decisions are`} asked for. ${blind}`;
}

function decidedWords(event) {
  const again = event.again ? "second look, " : "";
  const expert = event.expert ? "adjudication by an expert, " : "";
  return `${again}${expert}${decimal(event.seconds)} s of active time, guideline ${event.guideline_version}`;
}

function replacedWords(event) {
  const by = event.source === "people" ? "people" : "the machine";
  return `Final until now: by ${by}, under guideline ${event.guideline_version}.`;
}

function changeWords(changed) {
  if (changed === null || changed === undefined) return undefined;
  return changed ? "The label changed." : "The label was confirmed.";
}

function Scored({ event }) {
  if (event.votes === undefined) return html`<p class="fine">Guideline ${event.guideline_version}</p>`;
  const marks = [event.over_budget && "budget spent", event.suspicious && "text speaks to the machine"].filter(Boolean);
  return html`
    <p class="pooled"><span class="step-label" dir="auto">${labelText(event.label)}</span> <b>${percent(event.confidence)}</b>
      <span class="fine"><span title=${CALIBRATED}>${event.calibrated ? "calibrated" : "not calibrated"}</span>, pooled from ${plural(event.votes.length, "vote")}</span></p>
    <ul class="votes" aria-label="Votes">${event.votes.map((vote) => html`<${Vote} key=${vote.voter} vote=${vote} />`)}</ul>
    <p class="fine">${releaseWords(event.release)}, guideline ${event.guideline_version}, project version ${event.project_version}, ${usd(event.cost_usd)}${marks.map((mark) => `, ${mark}`)}</p>`;
}

// Releases are what the trainer learned from decisions; before the first of them, votes are pooled as they are.
function releaseWords(release) {
  return release === 0 ? "Before the first release" : `Release ${release}`;
}

function Vote({ vote }) {
  return html`<li class="vote">
    <p class="vote-by"><b>${vote.voter}</b><span class="fine">${vote.version}${vote.source && `, ${vote.source}`}</span></p>
    <${Probabilities} vote=${vote} />
    <p class="vote-cost fine">${costOf(vote)}</p>
  </li>`;
}

function costOf(vote) {
  if (vote.cached) return "from the cache, free";
  const tokens = (vote.input_tokens ?? 0) + (vote.output_tokens ?? 0);
  return tokens > 0 || vote.cost_usd > 0 ? `${count(tokens)} tokens, ${usd(vote.cost_usd)}` : "free";
}

function Probabilities({ vote }) {
  const given = Object.entries(vote.probabilities ?? {}).sort(([, a], [, b]) => b - a);
  const bars = given.length > 0 ? given : [[labelText(vote.label), vote.confidence]];
  return html`<ul class="chances">
    ${bars.slice(0, MOST_BARS).map(([label, share]) => html`<li key=${label} class=${label === labelText(vote.label) ? "chosen" : ""}>
      <span class="chance-label" dir="auto">${label}</span>
      <span class="track" aria-hidden="true"><i style=${{ width: `${Math.round(100 * share)}%` }}></i></span>
      <span class="chance-value">${percent(share, 0)}</span>
    </li>`)}
    ${bars.length > MOST_BARS && html`<li class="fine">and ${bars.length - MOST_BARS} less likely</li>`}
  </ul>`;
}

function Routed({ event }) {
  if (event.reasons === undefined) return null;
  const why = event.reasons.map(reasonWords);
  const known = event.outcome === "accepted" && why.length === 0 ? ["the machine was sure enough"] : why;
  return html`<p class="fine">Why: ${known.join("; ")}. It had a <span title=${PROPENSITY}>${percent(event.propensity, 1)} chance</span> of going to a person
    before the draw of blind checks${event.audit ? ", and was drawn" : ""}. Guideline ${event.guideline_version}.</p>`;
}

mount("item", ItemPage);
