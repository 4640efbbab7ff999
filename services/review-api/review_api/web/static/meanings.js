// What the terms on a panel mean, folded up until somebody asks.
import { html } from "./ui.js";

// `of`: [term, what it is], in the order in which they are met; `title` names what they explain.
export function Meanings({ title, of }) {
  return html`<details class="data meanings">
    <summary>${title}</summary>
    <dl>${of.map(([term, words]) => html`<div key=${term}><dt>${term}</dt><dd>${words}</dd></div>`)}</dl>
  </details>`;
}
