// Campaigns: which items a change of the guideline affects, what looking at them again takes, and how far it is.
import { html, useCallback, useState } from "./ui.js";
import { count, dateTime, minutes, plural, usd } from "./format.js";
import { useFetched } from "./guideline_parts.js";
import { Segments } from "./segments.js";
import { call } from "./http.js";
import { Icon } from "./icons.js";
import { Covered } from "./sensitive.js";
import { useRepeated } from "./session.js";

const REFRESH_MS = 2000;
const MODES = [["relabel", "Relabel"], ["re-review", "Review again"]];
const ABOUT_MODES = {
  relabel: "The machine labels anew what it had labelled; people decide what people had decided.",
  "re-review": "People decide all of them anew, blind.",
};
const CHOICES = [["labels", "By label"], ["boundary", "Near a boundary"], ["all", "All"]];
const STATES = { planning: "being planned", planned: "not started", running: "running", paused: "paused", done: "done", cancelled: "cancelled", failed: "failed" };
const ACTS = {
  planned: [["start", "Start", "primary"], ["cancel", "Discard", ""]],
  planning: [["cancel", "Discard", ""]],
  running: [["pause", "Pause", ""], ["cancel", "Cancel", ""]],
  paused: [["resume", "Resume", "primary"], ["cancel", "Cancel", ""]],
};

export function Campaigns({ base, project, inForce }) {
  const [campaigns, setCampaigns] = useState(null);
  const [problem, setProblem] = useState("");
  const load = useCallback(async () => {
    try {
      setCampaigns((await call("GET", `${base}/campaigns`)).campaigns);
    } catch {
      // the next look may find it
    }
  }, [base]);
  useRepeated(load, REFRESH_MS, true);
  const act = async (path, body) => {
    setProblem("");
    try {
      await call("POST", `${base}/campaigns${path}`, body ?? {});
    } catch (error) {
      setProblem(error.message);
    }
    await load();
  };
  const open = campaigns?.find((one) => ACTS[one.state]);
  const past = campaigns?.filter((one) => !ACTS[one.state] && one.started_at !== null) ?? [];
  return html`<section class="part" aria-labelledby="campaigns-heading">
    <h2 id="campaigns-heading">Campaigns</h2>
    <p class="fine">After a change, items that were labelled by an older version are looked at again. Old labels stay in each item's history.</p>
    <p class="problem" role="alert">${problem}</p>
    ${open && html`<${Campaign} key=${open.campaign_id} base=${base} campaign=${open} onAct=${act} />`}
    ${campaigns && !open && inForce > 1 && html`<${Choose} base=${base} project=${project} inForce=${inForce} onPlan=${(body) => act("", body)} />`}
    ${inForce === 1 && html`<p class="card sheet fine">There is one version only, so nothing was labelled by an older one.</p>`}
    ${past.length > 0 && html`<ul class="past">${past.map((one) => html`<li key=${one.campaign_id}><${Campaign} base=${base} campaign=${one} onAct=${act} /></li>`)}</ul>`}
  </section>`;
}

function Choose({ base, project, inForce, onPlan }) {
  const diff = useFetched(`${base}/guidelines/${inForce}/diff`);
  if (diff === null) return null;
  return html`<${ChooseForm} project=${project} affected=${diff.affected_labels} onPlan=${onPlan} />`;
}

function ChooseForm({ project, affected, onPlan }) {
  const names = [...new Set([...project.spec.labels.map((label) => label.name), ...affected])];
  const [mode, setMode] = useState("relabel");
  const [by, setBy] = useState("labels");
  const [labels, setLabels] = useState(affected);
  const [texts, setTexts] = useState("");
  const [margin, setMargin] = useState(0.3);
  const [edgeCases, setEdgeCases] = useState(true);
  const toggle = (name) => setLabels((chosen) => (chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]));
  const submit = (event) => {
    event.preventDefault();
    const lines = texts.split("\n").map((line) => line.trim()).filter(Boolean);
    const select = { by, labels: by === "all" ? [] : labels };
    if (by === "boundary") Object.assign(select, { margin, texts: lines, edge_cases: edgeCases });
    onPlan({ mode, select });
  };
  return html`<form class="card sheet choose" aria-labelledby="choose-heading" onSubmit=${submit}>
    <h3 id="choose-heading">Plan a campaign</h3>
    <div class="choose-row"><${Segments} legend="What is done" options=${MODES} value=${mode} onChange=${setMode} /><p class="fine">${ABOUT_MODES[mode]}</p></div>
    <div class="choose-row"><${Segments} legend="Which items" options=${CHOICES} value=${by} onChange=${setBy} /><p class="fine">${aboutChoice(by)}</p></div>
    ${by !== "all" && html`<fieldset class="checks">
      <legend>Final label</legend>
      ${names.map((name) => html`<label key=${name}><input type="checkbox" checked=${labels.includes(name)} onChange=${() => toggle(name)} />${name}</label>`)}
    </fieldset>`}
    ${by === "boundary" && html`
      <label class="field">The machine's two best labels at most <output>${Math.round(margin * 100)}</output> points apart
        <input type="range" min="0" max="1" step="0.05" value=${margin} onInput=${(event) => setMargin(Number(event.target.value))} /></label>
      <label class="field">Or texts like one of these, one a line
        <textarea rows="3" value=${texts} onInput=${(event) => setTexts(event.target.value)}></textarea></label>
      <label class="check"><input type="checkbox" checked=${edgeCases} onChange=${(event) => setEdgeCases(event.target.checked)} />Or like an edge case that became an example</label>`}
    <div class="row">
      <button class="primary" disabled=${by === "labels" && labels.length === 0}>Preview</button>
      <p class="fine">Nothing is sent before you start it.</p>
    </div>
  </form>`;
}

function aboutChoice(by) {
  if (by === "all") return "Every item that has a label by an older version.";
  return by === "labels" ? "Items whose final label is one of those below." : "Where two labels were close, or a text is like a doubtful one. The nearest come first.";
}

function title({ mode, selection }) {
  const what = mode === "relabel" ? "Relabel" : "Review again";
  if (selection.by === "all") return `${what} all items`;
  const labels = selection.labels.length > 0 ? selection.labels.join(", ") : "any label";
  return selection.by === "labels" ? `${what} items with ${labels}` : `${what} items near the boundary of ${labels}`;
}

function Campaign({ base, campaign, onAct }) {
  const acts = ACTS[campaign.state] ?? [];
  return html`<article class="card sheet campaign" data-state=${campaign.state}>
    <div class="sheet-top">
      <h3>${title(campaign)}</h3>
      <span class="chip">${STATES[campaign.state]}</span>
      <p class="fine">version ${campaign.guideline_version}, ${campaign.created_by}, ${dateTime(campaign.created_at)}</p>
    </div>
    ${campaign.problem && html`<p class="problem">${campaign.problem}</p>`}
    ${campaign.state === "planning" && html`<p class="fine" role="status">Looking for what it affects: ${plural(campaign.looked_at, "label")} so far…</p>`}
    ${campaign.state === "planned" && html`<${Preview} base=${base} campaign=${campaign} />`}
    ${campaign.started_at !== null && html`<${Progress} campaign=${campaign} />`}
    ${acts.length > 0 && html`<div class="row">${acts.map(([name, said, kind]) => html`<button key=${name} class=${kind}
      disabled=${name === "start" && campaign.items === 0} onClick=${() => onAct(`/${campaign.campaign_id}/${name}`)}>${said}</button>`)}</div>`}
  </article>`;
}

function Preview({ base, campaign }) {
  const { estimate } = campaign;
  return html`
    <dl class="facts-row">
      <div><dt>Items</dt><dd data-figure="items">${count(campaign.items)}</dd></div>
      <div><dt>Expected cost of the machine</dt><dd>${usd(estimate.cost_usd)}</dd></div>
      <div><dt>Expected tasks for people</dt><dd>${count(estimate.tasks)}</dd></div>
      <div><dt>Their time</dt><dd>${minutes(estimate.human_minutes)}</dd></div>
    </dl>
    <p class="fine">From ${estimate.measured ? "what this project's items took so far" : "assumed times: nobody has decided anything yet"}; ${plural(campaign.looked_at, "final label")} looked at.</p>
    ${campaign.items > 0 && html`<${Sample} base=${base} campaign=${campaign} />`}`;
}

function Sample({ base, campaign }) {
  const [open, setOpen] = useState(false);
  return html`<button class="quiet expander" aria-expanded=${open ? "true" : "false"} onClick=${() => setOpen(!open)}><${Icon} name="expand" />The first of them</button>
    ${open && html`<${SampleItems} path=${`${base}/campaigns/${campaign.campaign_id}/items?count=10`} />`}`;
}

function SampleItems({ path }) {
  const found = useFetched(path);
  return html`<ul class="sample">${found?.items.map((item) => html`<li key=${item.item_id}>
    <${Covered} sensitive=${item.sensitive} item=${item.item_id}><p class="clamp">${item.content}</p></${Covered}><p class="fine">${item.label_withheld ? "hidden: a blind check waits" : `${item.label} by ${item.source === "people" ? "people" : "the machine"}`}, item <code>${item.item_id}</code></p>
  </li>`)}</ul>`;
}

function Progress({ campaign }) {
  const parts = [["labelled", "labelled anew"], ["asked", "with people"], ["sent", "on the way"], ["waiting", "waiting"], ["given_up", "given up"]];
  const share = campaign.items > 0 ? campaign.labelled / campaign.items : 1;
  return html`
    <div class="bar-track" role="progressbar" aria-label="Labelled anew" aria-valuemin="0" aria-valuemax=${campaign.items} aria-valuenow=${campaign.labelled}>
      <i class="labelled" style=${{ width: `${share * 100}%` }}></i>
      <i class="asked" style=${{ width: `${campaign.items > 0 ? (campaign.asked / campaign.items) * 100 : 0}%` }}></i>
    </div>
    <ul class="counts">${parts.filter(([name]) => campaign[name] > 0 || name === "labelled").map(([name, said]) => html`<li key=${name}><b>${count(campaign[name])}</b> ${said}</li>`)}
      <li class="fine">of ${count(campaign.items)}</li></ul>`;
}
