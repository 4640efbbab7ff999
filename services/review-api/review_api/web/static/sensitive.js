// Distressing items: the text is not in the browser before it is asked for, and hides again with the same key.
import { html, useCallback, useEffect, useRef, useState } from "./ui.js";
import { call, segment } from "./http.js";
import { Icon } from "./icons.js";

export const HIDDEN = "A distressing text, hidden until you ask for it.";
const CANNOT = { sensitive_full: true, consent_needed: true, lease_lost: true };
const LINES = [96, 88, 93, 72, 90, 41]; // lengths in per cent: the shape of a text, whatever the text

const texts = new Map(); // task to its text, for as long as the tab is open

// What hides the task's text. `open`: the text may be judged; `text` is null while it is hidden; `toggle` is
// undefined where nothing is hidden; `refused` says why it cannot be shown to this person. `onEnough(goes)` hears that
// enough were shown: what `goes(task)` says yes to went to others.
export function useVeil(task, onEnough) {
  const id = task?.sensitive ? task.task_id : null;
  const [shown, setShown] = useState(null);
  const [state, setState] = useState({ id: null, busy: false, problem: "", refused: false });
  const mine = state.id === id ? state : { busy: false, problem: "", refused: false };
  const latest = useRef(id);
  latest.current = id;
  useEffect(() => setShown(null), [id]);

  const reveal = useCallback(async () => {
    setState({ id, busy: true, problem: "", refused: false });
    const told = await fetchText(task, onEnough);
    if (latest.current !== id) return;
    setState({ id, busy: false, ...told });
    if (!told.problem) setShown(id);
  }, [id, task?.lease]);

  if (id === null) return { open: true, text: task?.content ?? null, toggle: undefined };
  const text = shown === id ? (texts.get(id) ?? null) : null;
  return { ...mine, open: text !== null, text, toggle: text === null ? reveal : () => setShown(null) };
}

async function fetchText(task, onEnough) {
  try {
    const { content, given_back: givenBack } = await call("POST", `/v1/tasks/${segment(String(task.task_id))}/reveal`, { lease: task.lease });
    texts.set(task.task_id, content);
    if (givenBack.length > 0) onEnough((other) => givenBack.includes(other.task_id));
    return { problem: "", refused: false };
  } catch (error) {
    if (error.mayPass || error.status === 401) return { problem: "The text comes with the connection. Try again in a moment.", refused: false };
    if (error.code === "sensitive_full") onEnough((other) => other.sensitive && other.task_id !== task.task_id && !texts.has(other.task_id));
    return { problem: sentence(error.message), refused: CANNOT[error.code] === true };
  }
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

export function Veiled({ veil, onGiveBack }) {
  if (veil.text !== null) return html`<${Revealed} veil=${veil} />`;
  return html`<div class="veil" data-veil="closed">
    <div class="veil-lines" aria-hidden="true">${LINES.map((width) => html`<i key=${width} style=${{ width: `${width}%` }}></i>`)}</div>
    <div class="veil-ask">
      <p class="veil-title"><${Icon} name="blind" />This text may be distressing</p>
      ${veil.problem
        ? html`<p class="veil-problem" role="alert">${veil.problem}</p>`
        : html`<p class="fine">Look at it when you are ready, or skip it: both are fine.</p>`}
      ${veil.refused
        ? html`<button class="primary" onClick=${() => onGiveBack()}>Leave it to somebody else</button>`
        : html`<button class="primary" disabled=${veil.busy} aria-keyshortcuts="r" onClick=${veil.toggle}>
            ${veil.busy ? "Fetching…" : "Show the text"} <kbd aria-hidden="true">R</kbd></button>`}
    </div>
  </div>`;
}

// A distressing text in a list, hidden as on the review page. `children` draw the text, `item` names it for those who
// do not see where the button stands.
export function Covered({ sensitive, item, children }) {
  const [open, setOpen] = useState(false);
  const button = useRef(null);
  const pressed = useRef(false);
  useEffect(() => {
    if (pressed.current) button.current.focus(); // the button that was pressed gave way to the other one
  }, [open]);
  if (!sensitive) return children;
  const turn = () => {
    pressed.current = true;
    setOpen(!open);
  };
  const of = html`<span class="visually-hidden"> of ${item}</span>`;
  if (open) return html`<div class="veil listed" data-veil="open">
    ${children}
    <button class="quiet hide" ref=${button} onClick=${turn}><${Icon} name="blind" />Hide it again${of}</button>
  </div>`;
  return html`<div class="veil listed" data-veil="closed">
    <div class="veil-lines" aria-hidden="true">${LINES.slice(0, 2).map((width) => html`<i key=${width} style=${{ width: `${width}%` }}></i>`)}</div>
    <div class="veil-ask">
      <p class="veil-title"><${Icon} name="blind" />This text may be distressing</p>
      <button ref=${button} onClick=${turn}>Show the text${of}</button>
    </div>
  </div>`;
}

// Gets the focus: a screen reader reads the text because it was asked for, and only then.
function Revealed({ veil }) {
  const place = useRef(null);
  useEffect(() => place.current.focus(), []);
  return html`<div class="veil" data-veil="open">
    <div class="task-text revealed" dir="auto" ref=${place} tabindex="-1" role="region" aria-label="Text of the task">${veil.text}</div>
    <button class="quiet hide" aria-keyshortcuts="r" onClick=${veil.toggle}><${Icon} name="blind" />Hide it again <kbd aria-hidden="true">R</kbd></button>
  </div>`;
}
