// Raising an edge case from the task in hand: what is unclear, and which label is in doubt.
import { html, useRef } from "./ui.js";
import { Dialog } from "./panels.js";

export function EdgeCaseDialog({ labels, onRaise, onClose }) {
  const form = useRef(null);
  const submit = (event) => {
    event.preventDefault();
    const given = new FormData(form.current);
    const question = given.get("question").trim();
    if (question === "") form.current.elements.question.focus();
    else onRaise(question, given.get("label") || null);
  };
  const onKeyDown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
  };
  return html`<${Dialog} heading="Raise an edge case" className="asking" onClose=${onClose} onKeyDown=${onKeyDown}>
    <form ref=${form} onSubmit=${submit}>
      <label>What does the guideline leave open?<textarea name="question" rows="3" maxlength="2000" required autofocus></textarea></label>
      <label>Label in doubt<select name="label">
        <option value="">none in particular</option>
        ${labels.map((label) => html`<option key=${label.name} value=${label.name}>${label.name}</option>`)}
      </select></label>
      <p class="fine">Managers see it with the text, and can make it an example of the guideline. Their answer is on the page Guideline.
        The task stays with you.</p>
      <button class="primary">Raise it <kbd>Ctrl+Enter</kbd></button>
    </form>
  </${Dialog}>`;
}
