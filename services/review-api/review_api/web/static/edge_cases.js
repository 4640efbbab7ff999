// Edge cases: what reviewers find unclear. Managers make examples of them or answer; who asked sees the answer.
import { html, useCallback, useState } from "./ui.js";
import { dateTime, plural } from "./format.js";
import { Segments } from "./segments.js";
import { call } from "./http.js";
import { Covered } from "./sensitive.js";
import { useRepeated } from "./session.js";

const REFRESH_MS = 15_000;
const STATES = [["open", "Open"], ["accepted", "For the next version"], ["published", "In the guideline"], ["closed", "Answered"]];
const SAID = { open: "not answered yet", accepted: "becomes an example", published: "an example of the guideline", closed: "answered" };

function useCases(path) {
  const [found, setFound] = useState(null);
  const load = useCallback(async () => {
    try {
      setFound(await call("GET", path));
    } catch {
      // the next look may find it
    }
  }, [path]);
  useRepeated(load, REFRESH_MS, true);
  return [found, load];
}

export function EdgeCases({ base, project, onEdit }) {
  const [state, setState] = useState("open");
  const [found, load] = useCases(`${base}/edge-cases?state=${state}`);
  return html`<section class="part" aria-labelledby="edge-cases-heading">
    <div class="sheet-top">
      <h2 id="edge-cases-heading">Edge cases</h2>
      <${Segments} legend="Edge cases shown" options=${STATES} value=${state} onChange=${setState} />
    </div>
    ${found?.accepted > 0 && html`<p class="notice people">${plural(found.accepted, "example")} for the next version.
      <button onClick=${onEdit}>Edit the guideline</button></p>`}
    ${found?.edge_cases.length === 0 && html`<p class="card sheet fine">${state === "open" ? "Nothing is open. Reviewers raise an edge case from a task with the key E." : "None."}</p>`}
    <ul class="cases">${found?.edge_cases.map((one) => html`<li key=${one.edge_case_id}>
      <${Case} one=${one} who>${["open", "accepted"].includes(one.state) && html`<${Answering} base=${base} project=${project} one=${one} onDone=${load} />`}</${Case}>
    </li>`)}</ul>
  </section>`;
}

export function MyEdgeCases({ base }) {
  const [found] = useCases(`${base}/edge-cases/mine`);
  if (!found?.edge_cases.length) return null;
  return html`<section class="part" aria-labelledby="mine-heading">
    <h2 id="mine-heading">My edge cases</h2>
    <ul class="cases">${found.edge_cases.map((one) => html`<li key=${one.edge_case_id}><${Case} one=${one} /></li>`)}</ul>
  </section>`;
}

// `who`: for managers, who see the text even of what distresses, once they ask for it.
function Case({ one, who, children }) {
  const text = html`<p class="case-text" dir="auto">${one.content ?? html`<span class="fine">The item was erased.</span>`}</p>`;
  return html`<article class="card sheet case">
    <${Covered} sensitive=${who && one.sensitive} item=${one.item_id}>${text}</${Covered}>
    <p class="case-question">${one.question}</p>
    <p class="fine">${who && html`${one.raised_by}, `}${dateTime(one.raised_at)}, version ${one.guideline_version}${one.label && html`, in doubt: <b>${one.label}</b>`}</p>
    ${one.state !== "open" && html`<div class="case-answer">
      <p><span class="chip">${SAID[one.state]}</span> ${one.example_label && html`<b>${one.example_label}</b>`} ${one.answer}</p>
      <p class="fine">${one.answered_by}, ${dateTime(one.answered_at)}${one.published_in && html`, version ${one.published_in}`}</p>
    </div>`}
    ${one.state === "open" && !who && html`<p><span class="chip">${SAID.open}</span></p>`}
    ${children}
  </article>`;
}

function Answering({ base, project, one, onDone }) {
  const labels = project.spec.labels.map((label) => label.name);
  const [label, setLabel] = useState(labels.includes(one.label) ? one.label : labels[0]);
  const [words, setWords] = useState(one.answer);
  const [problem, setProblem] = useState("");
  const send = async (act, body) => {
    try {
      await call("POST", `${base}/edge-cases/${one.edge_case_id}/${act}`, body);
      onDone();
    } catch (error) {
      setProblem(error.message);
    }
  };
  const accept = (event) => {
    event.preventDefault();
    send("accept", { label, why: words });
  };
  return html`<form class="answering" onSubmit=${accept}>
    <label class="field">Right label<select value=${label} onChange=${(event) => setLabel(event.target.value)}>
      ${labels.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>
    <label class="field words">Why, or an answer<input value=${words} maxlength="2000" onInput=${(event) => setWords(event.target.value)} /></label>
    <div class="row">
      <button class="primary">Make it an example</button>
      <button type="button" disabled=${!words.trim()} onClick=${() => send("close", { answer: words })}>Only answer</button>
    </div>
    <p class="problem" role="alert">${problem}</p>
  </form>`;
}
