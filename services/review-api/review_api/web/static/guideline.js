// The guideline: its text, what changed from version to version, and for managers the editor, campaigns and edge cases.
import { html, useCallback, useState } from "./ui.js";
import { Campaigns } from "./campaigns.js";
import { Changes } from "./changes.js";
import { EdgeCases, MyEdgeCases } from "./edge_cases.js";
import { Editor } from "./editor.js";
import { dateTime, plural } from "./format.js";
import { Prose, useFetched } from "./guideline_parts.js";
import { Segments } from "./segments.js";
import { call, segment } from "./http.js";
import { Icon } from "./icons.js";
import { mount } from "./page.js";
import { mayManage, mayReview, useRepeated } from "./session.js";

const REFRESH_MS = 30_000;

function GuidelinePage({ account, project, onExpired, onOutdated }) {
  const [found, setFound] = useState(null);
  const [view, setView] = useState("text");
  const [shown, setShown] = useState(null);
  const [published, setPublished] = useState(null);
  const base = `/v1/projects/${segment(project.project)}`;
  const load = useCallback(async () => {
    try {
      setFound(await call("GET", `${base}/guidelines`));
    } catch (error) {
      if (error.status === 401) onExpired();
    }
  }, [base]);
  useRepeated(load, REFRESH_MS, true);
  const manages = mayManage(account, project.project);
  const afterPublishing = (version) => {
    setPublished(version);
    setView("text");
    setShown(null);
    load();
    onOutdated();
  };
  if (found === null) return html`<main class="page leaf" aria-busy="true"></main>`;
  const number = shown ?? found.in_force;
  return html`<main class="page leaf">
    <header class="page-top">
      <h1>Guideline</h1>
      ${view !== "edit" && html`<${Segments} legend="What to show" value=${view} onChange=${setView}
        options=${[["text", "Text"], ["changes", "Changes"]]} />`}
      ${manages && view !== "edit" && html`<button class="primary" onClick=${() => setView("edit")}>Edit</button>`}
    </header>
    <div role="status">${published && html`<p class="notice machine">Version ${published.guideline_version} is in force. A campaign below
      has items labelled anew that it affects.</p>`}</div>
    ${view === "edit"
      ? html`<${Editor} account=${account} project=${project} base=${base} onClose=${() => setView("text")} onPublished=${afterPublishing} />`
      : html`<div class="leaf-columns">
          ${view === "text" && html`<${Text} base=${base} number=${number} inForce=${found.in_force} />`}
          ${view === "changes" && html`<${Changes} base=${base} versions=${found.versions} number=${number} />`}
          <${Versions} versions=${found.versions} inForce=${found.in_force} number=${number} onChoose=${setShown} />
        </div>`}
    ${manages && view !== "edit" && html`
      <${Campaigns} key=${found.in_force} base=${base} project=${project} inForce=${found.in_force} />
      <${EdgeCases} base=${base} project=${project} onEdit=${() => setView("edit")} />`}
    ${mayReview(account, project.project) && view !== "edit" && html`<${MyEdgeCases} base=${base} />`}
  </main>`;
}

function Text({ base, number, inForce }) {
  const version = useFetched(`${base}/guidelines/${number}`);
  return html`<section class="card sheet" aria-labelledby="text-heading">
    <h2 id="text-heading">Version ${number} ${number === inForce && html`<span class="chip">in force</span>`}</h2>
    ${version && html`
      <${Prose} text=${version.guideline} label=${`Text of version ${number}`} />
      <h2>Labels</h2>
      <dl class="label-list">
        ${version.labels.map((label) => html`<div key=${label.name}><dt>${label.name}</dt><dd>${label.description || html`<span class="fine">no description</span>`}</dd></div>`)}
      </dl>`}
  </section>`;
}

function Versions({ versions, inForce, number, onChoose }) {
  return html`<nav class="card versions" aria-labelledby="versions-heading">
    <h2 id="versions-heading">${plural(versions.length, "version")}</h2>
    <ol>
      ${versions.map((one) => html`<li key=${one.guideline_version}>
        <button class="quiet" aria-current=${one.guideline_version === number ? "true" : undefined} onClick=${() => onChoose(one.guideline_version)}>
          <span class="version-name">Version ${one.guideline_version}${one.guideline_version === inForce && html` <span class="chip">in force</span>`}</span>
          <span class="fine">${one.created_by}, ${dateTime(one.created_at)}</span>
          ${one.campaign && html`<span class="fine"><${Icon} name="undo" /> ${one.campaign.mode} campaign, ${one.campaign.state}</span>`}
        </button>
      </li>`)}
    </ol>
  </nav>`;
}

mount("guideline", GuidelinePage);
