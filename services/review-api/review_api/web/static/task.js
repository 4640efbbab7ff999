// One task: its text, the machine's suggestion where there is one, and the labels to choose from.
import { html, useLayoutEffect, useRef } from "./ui.js";
import { percent, plural } from "./format.js";
import { Icon } from "./icons.js";
import { labelKey } from "./keys.js";
import { Veiled } from "./sensitive.js";
import { TrainingHint } from "./training.js";

const LONG_TEXT = 420;

export function TaskCard({ task, veil, onGiveBack }) {
  const scroller = useRef(null);
  useLayoutEffect(() => {
    if (scroller.current) scroller.current.scrollTop = 0;
  }, [task.task_id]);
  const long = task.content.length > LONG_TEXT;
  return html`<article class="card task" aria-labelledby="task-heading">
    <header class="task-top">
      <h1 id="task-heading" class="visually-hidden">Task</h1>
      <${Metadata} task=${task} />
      <${Hint} task=${task} />
    </header>
    ${task.sensitive
      ? html`<${Veiled} key=${task.task_id} veil=${veil} onGiveBack=${onGiveBack} />`
      : html`<div class=${long ? "task-text long" : "task-text"} dir="auto" ref=${scroller} tabindex=${long ? 0 : undefined}
      role=${long ? "region" : undefined} aria-label=${long ? "Text of the task" : undefined}>${task.content}</div>`}
    ${task.suggestion && html`<${Suggestion} suggestion=${task.suggestion} />`}
    ${task.comments?.length > 0 && html`<${Comments} comments=${task.comments} />`}
    ${task.remarks?.length > 0 && html`<p class="remarks">${task.remarks.join(" ")}</p>`}
  </article>`;
}

function Hint({ task }) {
  if (task.training) return html`<${TrainingHint} />`;
  if (task.adjudication) return html`<${AdjudicationHint} answers=${task.adjudication.answers} />`;
  return task.blind ? html`<${BlindHint} />` : null;
}

function Metadata({ task }) {
  const entries = Object.entries(task.metadata ?? {});
  return html`<ul class="facts" aria-label="About this item">
    <li title="Item">${task.item_id}</li>
    ${entries.map(([name, value]) => html`<li key=${name}><span class="fact-name">${name}</span> ${value}</li>`)}
  </ul>`;
}

function BlindHint() {
  return html`<p class="blind" title="No suggestion is shown: your own judgement measures the machine.">
    <${Icon} name="blind" /><span>Blind check<span class="blind-why"> · your own judgement, no suggestion</span></span>
  </p>`;
}

function AdjudicationHint({ answers }) {
  return html`<p class="blind people" title="The answers of others stand beside the labels, without their names.">
    <${Icon} name="people" /><span>${answers.length} people differ<span class="blind-why"> · you decide</span></span>
  </p>`;
}

function Comments({ comments }) {
  return html`<section class="said" aria-label="Comments of earlier raters">
    <${Icon} name="comment" />
    <ul>${comments.map((comment) => html`<li key=${comment.at + comment.text}>${comment.text}</li>`)}</ul>
  </section>`;
}

function Suggestion({ suggestion }) {
  return html`<p class="suggestion">
    <${Icon} name="spark" />
    <span>Suggested: <strong>${suggestion.label}</strong></span>
    <span class="sure">
      <span class="track sure-bar" aria-hidden="true"><i style=${{ width: `${Math.round(suggestion.confidence * 100)}%` }}></i></span>
      ${percent(suggestion.confidence, 0)} sure
    </span>
  </p>`;
}

export function Labels({ labels, task, singleKeys, pressed, onChoose }) {
  const few = labels.length <= 4 && labels.every((label) => label.name.length <= 24);
  return html`<div class=${few ? "labels few" : "labels"} role="group" aria-label="Labels" data-count=${labels.length}>
    ${labels.map((label, index) => {
      const marks = marksOf(label.name, task);
      const classes = ["label", marks.suggested && "suggested", pressed === label.name && "pressed"];
      return html`<button key=${label.name} class=${classes.filter(Boolean).join(" ")} disabled=${task.lost}
        aria-keyshortcuts=${singleKeys ? labelKey(index) : undefined} onClick=${() => onChoose(label.name)}>
        ${singleKeys && html`<kbd aria-hidden="true">${labelKey(index).toUpperCase()}</kbd>`}
        <span class="label-words">
          <span class="label-title"><span class="label-name">${label.name}</span>
            ${marks.text && html`<span class="label-mark">${marks.text}</span>`}</span>
          ${label.description && html`<span class="label-about">${label.description}</span>`}
        </span>
      </button>`;
    })}
  </div>`;
}

function marksOf(name, task) {
  const suggested = task.suggestion?.label === name;
  if (task.undone === name) return { suggested, text: "taken back" };
  if (task.kept === name) return { suggested, text: "your kept answer" };
  const said = task.adjudication?.answers.filter((answer) => answer === name).length ?? 0;
  if (said > 0) return { suggested, text: `${plural(said, "person", "people")} said so` };
  return { suggested, text: suggested ? "suggested" : "" };
}

export function LostTask({ onNext }) {
  return html`<div class="notice people" role="alert">
    <p>This task is no longer yours here: it lay idle and went back to the others, or you took it over in another window. Nothing was
      recorded for it here.</p>
    <button onClick=${onNext}>Next task</button>
  </div>`;
}
