// What opens beside or above the task: the guideline and the help. What else asks something is a Dialog too.
import { html, useLayoutEffect, useRef } from "./ui.js";
import DOMPurify from "./vendor/purify.js";
import { Marked } from "./vendor/marked.js";
import { Icon } from "./icons.js";
import { ACTIONS, labelKey, written } from "./keys.js";

// HTML in a guideline is shown as it is written, not interpreted; the sanitiser below is the second lock.
const markdownParser = new Marked({
  gfm: true,
  renderer: { html: ({ text }) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`) },
});
const ALLOWED = {
  ALLOWED_TAGS: ["h1", "h2", "h3", "h4", "p", "ul", "ol", "li", "strong", "em", "del", "code", "pre", "blockquote", "hr", "br", "a",
    "table", "thead", "tbody", "tr", "th", "td"],
  ALLOWED_ATTR: ["href", "title"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  RETURN_DOM_FRAGMENT: true,
};

export function Guideline({ project, onClose }) {
  const place = useRef(null);
  useLayoutEffect(() => {
    place.current.replaceChildren(markdown(project.spec.guideline));
  }, [project.guideline_version, project.spec.guideline]);
  return html`<aside class="guideline card" id="guideline" aria-labelledby="guideline-heading">
    <header>
      <div>
        <h2 id="guideline-heading">Guideline</h2>
        <p class="fine">Version ${project.guideline_version}</p>
      </div>
      <button class="quiet square" onClick=${onClose} aria-label="Close the guideline"><${Icon} name="close" /></button>
    </header>
    <div class="prose" ref=${place} tabindex="0" role="region" aria-label="Text of the guideline"></div>
  </aside>`;
}

export function markdown(text) {
  const fragment = DOMPurify.sanitize(markdownParser.parse(text), ALLOWED);
  for (const link of fragment.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  return fragment;
}

// A native dialog keeps the focus inside, closes on Escape and gives the focus back.
export function Dialog({ heading, className = "", onClose, onKeyDown, children }) {
  const dialog = useRef(null);
  useLayoutEffect(() => dialog.current.showModal(), []); // at once: the next key belongs to it
  const backdrop = (event) => event.target === dialog.current && dialog.current.close();
  return html`<dialog class=${className} ref=${dialog} aria-labelledby="dialog-heading" onClose=${onClose} onClick=${backdrop}
    onKeyDown=${onKeyDown}>
    <div class="dialog-body">
      <header>
        <h2 id="dialog-heading">${heading}</h2>
        <button class="quiet square" onClick=${() => dialog.current.close()} aria-label="Close"><${Icon} name="close" /></button>
      </header>
      ${children}
    </div>
  </dialog>`;
}

export function Help({ labels, actions, singleKeys, onSingleKeys, onClose }) {
  const rows = [
    ...labels.map((label, index) => [labelKey(index).toUpperCase(), label.name]),
    ...ACTIONS.filter(({ name }) => actions[name]).map(({ key, what }) => [written(key), what]),
    ["Esc", "Close what is open"],
  ];
  const closeOnAgain = (event) => {
    if (event.key === "?") event.currentTarget.close();
  };
  return html`<${Dialog} heading="Keys and help" className="help" onClose=${onClose} onKeyDown=${closeOnAgain}>
    <dl class="keys">
      ${rows.map(([key, what]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}
    </dl>
    <label class="switch">
      <input type="checkbox" checked=${singleKeys} onChange=${(event) => onSingleKeys(event.target.checked)} />
      Single keys act at once (turn off for speech input)
    </label>
    <div class="prose small">
      <p>The text is shown as it came. A <strong>suggestion</strong> is the machine's guess and how sure it is: follow it
        only if you agree. In a <strong>blind check</strong> there is none, because your answer measures the machine.</p>
      <p>If the connection is lost, go on: your answers are kept in this browser and sent when it is back.</p>
    </div>
  </${Dialog}>`;
}
