// Editing the guideline: Markdown on one side, what reviewers will see on the other.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./ui.js";
import { plural } from "./format.js";
import { Prose } from "./guideline_parts.js";
import { call } from "./http.js";
import { read, remove, write } from "./storage.js";

// The draft is kept in this tab until it is published or thrown away.
function useDraft(account, project, base) {
  const key = `labelmill.draft.${account.name}.${project.project}`;
  const [draft, setDraft] = useState(() => read(sessionStorage, key, null));
  const [problem, setProblem] = useState("");
  useEffect(() => {
    if (draft !== null) return;
    call("GET", `${base}/guidelines/draft`).then(({ serverNow, ...found }) => setDraft(found), (error) => setProblem(error.message));
  }, [draft === null]);
  const change = (changes) => {
    const next = { ...draft, ...changes };
    setDraft(next);
    write(sessionStorage, key, next);
  };
  const drop = () => remove(sessionStorage, key);
  return { draft, change, drop, problem };
}

export function Editor({ account, project, base, onClose, onPublished }) {
  const { draft, change, drop, problem } = useDraft(account, project, base);
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState(null);
  const field = useRef(null);
  useLayoutEffect(() => field.current?.focus(), [draft === null]);
  if (draft === null) return html`<section class="card sheet" aria-busy="true"><p class="problem" role="alert">${problem}</p></section>`;
  const leave = () => {
    drop();
    onClose();
  };
  const publish = async (event) => {
    event.preventDefault();
    setBusy(true);
    setRefusal(null);
    try {
      const answer = await call("POST", `${base}/guidelines`, draft);
      drop();
      if (answer.changed) onPublished(answer);
      else onClose();
    } catch (error) {
      setRefusal(error);
      setBusy(false);
    }
  };
  const describe = (index, description) =>
    change({ labels: draft.labels.map((label, at) => (at === index ? { ...label, description } : label)) });
  return html`<form class="card sheet editor" aria-labelledby="editor-heading" onSubmit=${publish}>
    <div class="sheet-top">
      <h2 id="editor-heading">New version, on version ${draft.based_on}</h2>
      ${draft.edge_cases.length > 0 && html`<p class="chip">${plural(draft.edge_cases.length, "example")} from edge cases added</p>`}
    </div>
    <div class="editor-columns">
      <label class="field">Text, in Markdown
        <textarea ref=${field} value=${draft.guideline} onInput=${(event) => change({ guideline: event.target.value })} spellcheck rows="18"></textarea>
      </label>
      <div class="field"><span id="preview-name">What reviewers see</span>
        <${Prose} text=${draft.guideline} label="Preview" className="preview" />
      </div>
    </div>
    <fieldset class="descriptions">
      <legend>Labels</legend>
      ${draft.labels.map((label, index) => html`<label key=${label.name}><span>${label.name}</span>
        <input value=${label.description} maxlength="10000" placeholder="no description" onInput=${(event) => describe(index, event.target.value)} />
      </label>`)}
    </fieldset>
    <div role="alert">${refusal && html`<p class="notice bad">${refusal.message}
      ${refusal.code === "stale_edit" ? " Your text stays here: copy what you need, then throw this draft away." : ""}</p>`}</div>
    <div class="row">
      <button class="primary" disabled=${busy}>${busy ? "Publishing…" : "Publish"}</button>
      <button type="button" onClick=${leave}>Throw away</button>
      <p class="fine">Models and people label by it as soon as it is published. Labels that are final stay until a campaign looks at them again.</p>
    </div>
  </form>`;
}
