// The gold of a project: what there is and how people fare with it, what would make good gold, and a form to add some.
import { html, useCallback, useRef, useState } from "./ui.js";
import { percent, plural } from "./format.js";
import { call, segment } from "./http.js";
import { ItemLink } from "./items.js";
import { Covered } from "./sensitive.js";
import { useRepeated } from "./session.js";

const REFRESH_MS = 60_000;
const SHOWN = 10;
const SHOWN_CANDIDATES = 5;
const ENOUGH = 3; // answers before gold can be suspect

// `list` is null until known, and for those who may not see it.
export function useGold(project) {
  const [list, setList] = useState(null);
  const [shortage, setShortage] = useState("");
  const [candidates, setCandidates] = useState([]);
  const base = `/v1/projects/${segment(project.project)}`;
  const load = useCallback(async () => {
    try {
      const [gold, offered] = await Promise.all([call("GET", `${base}/gold`), call("GET", `${base}/gold-candidates`)]);
      setList(gold.gold);
      setShortage(gold.shortage);
      setCandidates(offered.candidates);
    } catch {
      // The reviewers' figures beside it say that they are not to be had, or ask to sign in.
    }
  }, [project.project]);
  useRepeated(load, REFRESH_MS, true);
  const put = useCallback(async (line) => {
    const done = await call("PUT", `${base}/gold`, [line]);
    if (done.refused_count > 0) throw new Error(done.refused[0].detail);
    await load();
  }, [project.project]);
  const retire = useCallback(async (itemId) => {
    await call("DELETE", `${base}/gold/${segment(itemId)}`);
    await load();
  }, [project.project]);
  return { list, shortage, candidates, put, retire };
}

export function GoldSection({ gold, project }) {
  const active = gold.list.filter((one) => !one.retired).toSorted((a, b) => hardness(b) - hardness(a) || b.answers - a.answers);
  return html`<section class="gold" aria-labelledby="gold-heading">
    <h2 id="gold-heading">Gold</h2>
    <div class="gold-parts">
      <div class="card gold-card">
        <h3>${active.length === 0 ? "No gold yet" : `${plural(active.length, "item")}, the hardest first`}</h3>
        <p class="fine">Gold that most people miss is suspect: look whether its own label is right.</p>
        ${gold.shortage && html`<p class="shortage">${gold.shortage}</p>`}
        <${GoldList} gold=${gold} active=${active} project=${project.project} />
      </div>
      <div class="gold-side">
        <${AddForm} gold=${gold} project=${project} />
        ${gold.candidates.length > 0 && html`<${Candidates} gold=${gold} />`}
      </div>
    </div>
  </section>`;
}

// The share of people who missed it, as far as few answers tell.
function hardness({ answers, correct }) {
  return (answers - correct + 0.5) / (answers + 2);
}

function isSuspect({ answers, correct }) {
  return answers >= ENOUGH && correct < answers / 2;
}

function GoldList({ gold, active, project }) {
  const [all, setAll] = useState(false);
  const shown = all ? active : active.slice(0, SHOWN);
  return html`<ul class="gold-list" aria-label="Gold">
      ${shown.map((one) => html`<${GoldRow} key=${one.item_id} one=${one} project=${project} onRetire=${gold.retire} />`)}
    </ul>
    ${active.length > shown.length && html`<button class="more" onClick=${() => setAll(true)}>Show all ${active.length}</button>`}`;
}

function GoldRow({ one, project, onRetire }) {
  const [asked, setAsked] = useState(false);
  const others = Object.entries(one.said);
  return html`<li class="gold-row" data-gold=${one.item_id}>
    <div class="gold-text">
      <${Covered} sensitive=${one.sensitive} item=${one.item_id}><p class="excerpt" dir="auto">${one.content || "The item's text is gone."}</p></${Covered}>
      <p class="gold-facts"><span class="chip">${String(one.label)}</span>
        ${one.skill && html`<span class="chip people">${one.skill}</span>`}
        ${isSuspect(one) && html`<span class="chip bad">Suspect</span>`}
        <span class="fine">${fared(one)}${others.length > 0 && `; instead ${others.map(([label, times]) => `${times} × ${label}`).join(", ")}`}, <${Source} one=${one} project=${project} /></span></p>
      ${one.explanation && html`<p class="fine why">${one.explanation}</p>`}
    </div>
    ${asked
      ? html`<div class="sure-retire"><button onClick=${() => onRetire(one.item_id)} autofocus>Retire it</button><button class="quiet" onClick=${() => setAsked(false)}>Keep</button></div>`
      : html`<button class="quiet" onClick=${() => setAsked(true)}>Retire<span class="visually-hidden"> ${one.item_id}</span></button>`}
  </li>`;
}

// A text of its own is no item: there is no page of it, and its id is only what people see.
function Source({ one, project }) {
  if (one.is_item) return html`item <${ItemLink} project=${project} item=${one.item_id} />`;
  return html`a text of its own, shown as <code>${one.item_id}</code>`;
}

function fared({ answers, correct }) {
  return answers === 0 ? "not answered yet" : `${correct} of ${answers} right (${percent(correct / answers, 0)})`;
}

function AddForm({ gold, project }) {
  const form = useRef(null);
  const [said, setSaid] = useState({ problem: "", done: "" });
  const { labels, review } = project.spec;
  const submit = async (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(form.current));
    const line = { label: given.label, explanation: given.explanation.trim() };
    if (given.item_id.trim()) line.item_id = given.item_id.trim();
    if (given.content.trim()) line.content = given.content;
    if (given.skill) line.skill = given.skill;
    try {
      await gold.put(line);
      form.current.reset();
      setSaid({ problem: "", done: "Added." });
    } catch (error) {
      setSaid({ problem: error.message, done: "" });
    }
  };
  const skills = review?.skills ?? [];
  return html`<form class="card gold-form" ref=${form} onSubmit=${submit}>
    <h3>Add gold</h3>
    <label>Item of the project<input name="item_id" maxlength="200" autocomplete="off" spellcheck=${false} /></label>
    <label>Or a text of its own<textarea name="content" rows="3" maxlength="100000"></textarea></label>
    <label>Right label<select name="label" required>${labels.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>
    <label>Why, shown in training<input name="explanation" maxlength="4000" autocomplete="off" /></label>
    ${skills.length > 0 && html`<label>Qualifies for<select name="skill"><option value="">no skill</option>
      ${skills.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>`}
    <p class="problem" role="alert">${said.problem}</p>
    <div class="line"><button class="primary">Add</button><span class="fine" role="status">${said.done}</span></div>
  </form>`;
}

function Candidates({ gold }) {
  const [all, setAll] = useState(false);
  const [problem, setProblem] = useState("");
  const make = async (one) => {
    try {
      await gold.put({ item_id: one.item_id, label: one.label });
      setProblem("");
    } catch (error) {
      setProblem(error.message);
    }
  };
  const shown = all ? gold.candidates : gold.candidates.slice(0, SHOWN_CANDIDATES);
  return html`<div class="card gold-card">
    <h3>Would make good gold</h3>
    <p class="fine">Settled with one voice, or by an expert. Where the machine was wrong, its suggestion is shown with the check: who only follows it is found out.</p>
    <p class="problem" role="alert">${problem}</p>
    <ul class="gold-list" aria-label="Candidates">
      ${shown.map((one) => html`<li key=${one.item_id} class="gold-row">
        <div class="gold-text"><${Covered} sensitive=${one.sensitive} item=${one.item_id}><p class="excerpt" dir="auto">${one.content}</p></${Covered}>
          <p class="gold-facts"><span class="chip">${String(one.label)}</span>
            <span class="fine">${one.expert ? "an expert" : plural(one.people, "person", "people")}${one.corrected && "; the machine says otherwise"}</span></p></div>
        <button onClick=${() => make(one)}>Make gold<span class="visually-hidden"> of ${one.item_id}</span></button>
      </li>`)}
    </ul>
    ${gold.candidates.length > shown.length && html`<button class="more" onClick=${() => setAll(true)}>Show all ${gold.candidates.length}</button>`}
  </div>`;
}
