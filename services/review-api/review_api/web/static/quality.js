// Quality, for managers: how reliable the reviewers are, by gold; the gold itself; and where people do not agree.
import { html, useCallback, useState } from "./ui.js";
import { AccuracyBar, ByLabel, range } from "./accuracy.js";
import { AgreementSection, useAgreement } from "./agreement.js";
import { dateTime, percent, plural } from "./format.js";
import { GoldSection, useGold } from "./golditems.js";
import { call, segment } from "./http.js";
import { Icon } from "./icons.js";
import { Meanings } from "./meanings.js";
import { mount } from "./page.js";
import { useRepeated } from "./session.js";
import { Blank } from "./shell.js";

const REFRESH_MS = 15_000;
const STATES = {
  working: ["check", "Working"],
  training: ["book", "In training"],
  paused: ["alarm", "Paused"],
};
const MEANINGS = [
  ["Gold", "Items whose right label is known. They come among the tasks and look like any other."],
  ["Check", "A task whose item is gold. Its answer tells how reliable somebody is, and becomes no label."],
  ["Accuracy", "The share of checks that somebody answered rightly."],
  ["Likely", "The interval that holds the true accuracy 95 times in 100; it gets narrower with more checks."],
  ["Bar", "The accuracy that the project asks for. Who is below it beyond chance is paused."],
  ["Paused", "Gets no tasks until a manager lets them work. What they decided since they fell below the bar is reviewed again."],
  ["In training", "Answers gold first, and is told the right label and the reason after each."],
  ["Suspect", "Gold that most people answer otherwise: its own label may be wrong."],
];
const TONES = { working: "machine", training: "people", paused: "bad" };
const ORDER = { paused: 0, training: 1, working: 2 };

function useReviewers(project, onExpired) {
  const [found, setFound] = useState(undefined);
  const load = useCallback(async () => {
    try {
      setFound(await call("GET", `/v1/projects/${segment(project.project)}/accuracy`));
    } catch (error) {
      if (error.status === 401) onExpired();
      else if (error.status === 403) setFound(null);
    }
  }, [project.project]);
  useRepeated(load, REFRESH_MS, found !== null);
  return [found, load];
}

function Quality({ project, onExpired }) {
  const [reviewers, reload] = useReviewers(project, onExpired);
  const gold = useGold(project);
  const agreement = useAgreement(project);
  if (reviewers === null) return html`<main><${Blank} title="For managers">
    <p>This page shows how people answer. Your own accuracy is on the page of your work.</p>
  </${Blank}></main>`;
  return html`<main class="page board quality">
    <header class="page-top"><h1>Quality</h1></header>
    ${reviewers === undefined ? html`<div class="card people-card" aria-busy="true"></div>` : html`<${People} found=${reviewers} project=${project} onChanged=${reload} />`}
    ${gold.list && html`<${GoldSection} gold=${gold} project=${project} />`}
    ${agreement && html`<${AgreementSection} agreement=${agreement} project=${project.project} />`}
  </main>`;
}

function People({ found, project, onChanged }) {
  const people = found.reviewers.toSorted((a, b) => ORDER[a.state] - ORDER[b.state] || worth(a) - worth(b) || a.reviewer.localeCompare(b.reviewer));
  return html`<section aria-labelledby="people-heading">
    <h2 id="people-heading">Reviewers</h2>
    <div class="card people-card">
      <p class="fine">${settings(found)}</p>
      ${people.length === 0
        ? html`<p class="nothing">Nobody has been given gold yet. ${found.rate > 0 ? "Checks come as people work." : "Set review.gold.rate in the project's file, for example 0.05."}</p>`
        : html`<ul class="persons" aria-label="Reviewers">${people.map((one) => html`<${Person} key=${one.reviewer} one=${one} bar=${found.bar} project=${project} onChanged=${onChanged} />`)}</ul>`}
      <${Meanings} title="What these terms mean" of=${MEANINGS} />
    </div>
  </section>`;
}

function worth({ accuracy }) {
  return accuracy.newest.value ?? 2;
}

function settings({ bar, rate, min_answers: least }) {
  return `Accuracy on the newest 50 answers to gold, with its 95% interval. The mark is the bar, ${percent(bar, 0)}: who is below it beyond chance, after ${least} checks or more, is paused.`
    + ` ${rate > 0 ? `${percent(rate)} of the tasks are checks.` : "No checks are handed out now."}`;
}

function Person({ one, bar, project, onChanged }) {
  const [open, setOpen] = useState(false);
  const { reviewer, state, accuracy } = one;
  const [icon, word] = STATES[state];
  const { newest } = accuracy;
  const id = `person-${reviewer}`;
  return html`<li class="person" data-person=${reviewer} data-state=${state}>
    <div class="person-row">
      <p class="person-name"><b>${reviewer}</b><span class=${`chip ${TONES[state]}`}><${Icon} name=${icon} />${word}</span></p>
      <${AccuracyBar} share=${newest} bar=${bar} />
      <p class="accuracy-value"><b>${percent(newest.value, 0)}</b><span class="fine">${newest.answers === 0 ? "no answer yet" : range(newest)}</span></p>
      <p class="person-checks fine">${plural(accuracy.all.answers, "answer")}</p>
      <button class="quiet expander" aria-expanded=${open ? "true" : "false"} aria-controls=${open ? id : undefined} onClick=${() => setOpen(!open)}>
        <${Icon} name="expand" />Details<span class="visually-hidden"> of ${reviewer}</span></button>
    </div>
    ${open && html`<div class="person-details" id=${id}>
      ${one.pause && html`<${Pause} pause=${one.pause} project=${project} onChanged=${onChanged} />`}
      ${accuracy.all.answers > 0 && html`<p class="fine">${allWords(accuracy)}</p><${ByLabel} accuracy=${accuracy} bar=${bar} name=${`Accuracy of ${reviewer}`} />`}
    </div>`}
  </li>`;
}

function allWords({ all, against_suggestion: against }) {
  const words = `Of all ${plural(all.answers, "answer")}, ${all.right} were right.`;
  if (against.answers === 0) return words;
  return `${words} Where a wrong suggestion was in sight, ${against.right} of ${against.answers} were right all the same.`;
}

function Pause({ pause, project, onChanged }) {
  const [problem, setProblem] = useState("");
  const lift = async (event) => {
    event.preventDefault();
    const reason = new FormData(event.target).get("reason").trim();
    try {
      await call("POST", `/v1/projects/${segment(project.project)}/pauses/${segment(pause.reviewer)}/lift`, { reason });
      onChanged();
    } catch (error) {
      setProblem(error.message);
    }
  };
  if (pause.lifted_at !== null) return html`<p class="fine">Was paused on ${dateTime(pause.paused_at)}; ${pause.lifted_by} let them work again: “${pause.reason}”</p>`;
  const input = `reason-${pause.reviewer}`;
  return html`<div class="pause">
    <p>Paused on ${dateTime(pause.paused_at)}, with ${pause.correct} of ${plural(pause.answers, "answer")} right. ${redone(pause)}</p>
    <form onSubmit=${lift}>
      <label for=${input}>Why may they work again?</label>
      <div class="line"><input id=${input} name="reason" required minlength="3" maxlength="500" autocomplete="off" placeholder="We went through the guideline together" />
        <button class="primary">Let them work</button></div>
      <p class="problem" role="alert">${problem}</p>
    </form>
  </div>`;
}

function redone({ cause, reopened }) {
  if (cause === "training") return "They did not pass the training.";
  if (reopened === null) return "What they decided since is opened for review in some seconds.";
  return reopened === 0 ? "Nothing they decided since had to be opened again." : `${plural(reopened, "decision")} made since are reviewed again.`;
}

mount("quality", Quality);
