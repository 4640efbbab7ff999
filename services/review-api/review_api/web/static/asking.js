// What the page asks: why a task is skipped, what is wrong with an item, and a comment. All of it can be answered
// by keys alone.
import { html, useRef } from "./ui.js";
import { Dialog } from "./panels.js";

const SKIP_REASONS = ["The guideline is unclear here", "Not in a language I read", "The text is broken", "Conflict of interest"];

export const FLAGS = {
  broken: "broken",
  offensive: "offensive",
  personal_data: "has personal data",
  duplicate: "a duplicate",
  other: "something else",
};

const AUDIENCES = [
  ["managers", "The managers"],
  ["raters", "The managers, and who decides this item next"],
];

// A numbered choice, of which the last is a text. `onPick(index, text)`; the index of the text is `choices.length`.
function Choice({ choices, textLabel, onPick, children }) {
  const form = useRef(null);
  const submit = (event) => {
    event.preventDefault();
    const text = new FormData(form.current).get("text").trim();
    if (text === "") form.current.elements.text.focus();
    else onPick(choices.length, text);
  };
  return html`<form ref=${form} onSubmit=${submit} data-choice>
    ${children}
    <div class="choices">
      ${choices.map((choice, index) => html`<button key=${choice} type="button" onClick=${() => onPick(index, "")}>
        <kbd aria-hidden="true">${index + 1}</kbd>${choice}
      </button>`)}
    </div>
    <label><span><kbd aria-hidden="true">${choices.length + 1}</kbd> ${textLabel}</span>
      <span class="with-button"><input name="text" maxlength="1000" autocomplete="off" /><button>Send</button></span>
    </label>
  </form>`;
}

// Digits pick a choice, and the last one goes to the text.
function pickByKey(event) {
  if (event.target.matches("input") || event.ctrlKey || event.altKey || event.metaKey) return;
  const form = event.currentTarget.querySelector("[data-choice]");
  const buttons = [...form.querySelectorAll(".choices button")];
  const picked = [...buttons, form.elements.text][Number(event.key) - 1];
  if (picked === undefined) return;
  event.preventDefault();
  if (picked === form.elements.text) picked.focus();
  else picked.click();
}

export function SkipDialog({ onSkip, onClose }) {
  const pick = (index, text) => onSkip(SKIP_REASONS[index] ?? text);
  return html`<${Dialog} heading="Skip this task" className="asking" onClose=${onClose} onKeyDown=${pickByKey}>
    <button class="primary wide" autofocus onClick=${() => onSkip("")}>Skip <kbd>Enter</kbd></button>
    <${Choice} choices=${SKIP_REASONS} textLabel="Another reason" onPick=${pick}>
      <p class="fine">Or say why you cannot decide; it helps to improve the guideline.</p>
    </${Choice}>
  </${Dialog}>`;
}

export function FlagDialog({ onFlag, onClose }) {
  const reasons = Object.keys(FLAGS).filter((reason) => reason !== "other");
  const pick = (index, text) => onFlag(reasons[index] ?? "other", text);
  return html`<${Dialog} heading="Flag this item" className="asking" onClose=${onClose} onKeyDown=${pickByKey}>
    <${Choice} choices=${reasons.map((reason) => `It is ${FLAGS[reason]}`.replace("is has", "has"))} textLabel="Something else" onPick=${pick}>
      <p class="fine">A manager looks at it and answers you on the page My work. The task stays with you.</p>
    </${Choice}>
  </${Dialog}>`;
}

export function CommentDialog({ blind, onComment, onClose }) {
  const form = useRef(null);
  const submit = (event) => {
    event.preventDefault();
    const given = new FormData(form.current);
    const text = given.get("text").trim();
    if (text === "") form.current.elements.text.focus();
    else onComment(text, given.get("audience"));
  };
  const onKeyDown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
  };
  return html`<${Dialog} heading="Comment on this item" className="asking" onClose=${onClose} onKeyDown=${onKeyDown}>
    <form ref=${form} onSubmit=${submit}>
      <label>Comment<textarea name="text" rows="4" maxlength="2000" required autofocus></textarea></label>
      <fieldset>
        <legend>Who may read it, without your name for other raters</legend>
        ${AUDIENCES.map(([audience, words]) => html`<label key=${audience} class="option">
          <input type="radio" name="audience" value=${audience} defaultChecked=${audience === "managers"} />${words}
        </label>`)}
      </fieldset>
      <p class="fine">${blind ? "This is a blind check" : "In a blind check"}: raters are shown no comments there, so that each judges alone.</p>
      <button class="primary">Send <kbd>Ctrl+Enter</kbd></button>
    </form>
  </${Dialog}>`;
}
