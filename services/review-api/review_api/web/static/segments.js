// One of a few, side by side.
import { html } from "./ui.js";

// A row of which one is chosen: [value, title] each.
export function Segments({ legend, options, value, onChange }) {
  const name = legend.replaceAll(" ", "-");
  return html`<fieldset class="segments">
    <legend class="visually-hidden">${legend}</legend>
    ${options.map(([one, title]) => html`<label key=${one}>
      <input type="radio" name=${name} value=${one} checked=${one === value} onChange=${() => onChange(one)} /><span>${title}</span>
    </label>`)}
  </fieldset>`;
}
