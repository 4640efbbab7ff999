// The keyboard: what each key does, which key a label has, and one listener for all of the page's keys.
import { useEffect, useRef, useState } from "./ui.js";
import { read, write } from "./storage.js";

// Every action of the page, in the order in which the help tells them. A letter here is no label's key.
export const ACTIONS = [
  { name: "skip", key: "s", what: "Skip, with a reason" },
  { name: "undo", key: "u", what: "Undo the last answer (also Ctrl+Z)" },
  { name: "flag", key: "f", what: "Flag the item: something is wrong with it" },
  { name: "comment", key: "c", what: "Comment, to managers or the next raters" },
  { name: "edgeCase", key: "e", what: "Raise an edge case of the guideline" },
  { name: "reveal", key: "r", what: "Show what is blurred, or blur it again" },
  { name: "guideline", key: "g", what: "Show or hide the guideline" },
  { name: "larger", key: "+", what: "Larger text" },
  { name: "smaller", key: "-", what: "Smaller text" },
  { name: "goOn", key: "shift+n", what: "Put messages away; next task, when one was lost; try the connection now" },
  { name: "takeOver", key: "shift+h", what: "Take the tasks here that you have in another window" },
  { name: "work", key: "shift+w", what: "My work" },
  { name: "theme", key: "shift+t", what: "Change the colours: system, light, dark" },
  { name: "projects", key: "shift+p", what: "Choose the project" },
  { name: "signOut", key: "shift+o", what: "Sign out" },
  { name: "help", key: "?", what: "This help" },
];
const LABEL_KEYS = "1234567890abdhijklmnopqtvw"; // one for each of 26 labels
const ALSO = { "ctrl+z": "undo", "=": "larger", _: "smaller" };
const SETTING = "labelmill.single_keys";

export function labelKey(index) {
  return LABEL_KEYS[index];
}

export function labelIndex(key) {
  return key.length === 1 ? LABEL_KEYS.indexOf(key) : -1;
}

// The name of the action that a key stands for, or undefined.
export function actionOf(key) {
  return ALSO[key] ?? ACTIONS.find((action) => action.key === key)?.name;
}

// How the page writes the key of an action: `Shift+N`, `S`.
export function keyOfAction(name) {
  return written(ACTIONS.find((action) => action.name === name).key);
}

export function written(key) {
  const [last, ...held] = key.split("+").reverse();
  return last === "" ? key : [...held, last].map((part) => part[0].toUpperCase() + part.slice(1)).join("+");
}

// Single-letter keys disturb speech input (WCAG 2.1.4), so they can be turned off.
export function useSingleKeys() {
  const [on, setOn] = useState(read(localStorage, SETTING, true));
  const change = (value) => {
    write(localStorage, SETTING, value);
    setOn(value);
  };
  return [on, change];
}

// Calls `onKey(key)` for plain keys outside of fields and dialogs; `ctrl+z` and letters with Shift (`shift+n`)
// count as keys of their own.
export function useKeys(onKey, singleKeys) {
  const latest = useRef(onKey);
  latest.current = onKey;
  useEffect(() => {
    const listen = (event) => {
      const key = keyOf(event, singleKeys);
      if (key !== null && latest.current(key)) event.preventDefault();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, [singleKeys]);
}

function keyOf(event, singleKeys) {
  if (event.defaultPrevented) return null; // a dialog took it, which may be closed by now
  if (event.repeat || event.isComposing || document.querySelector("dialog[open]")) return null;
  if (event.target.closest?.("input, textarea, select, [contenteditable]")) return null;
  const key = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) return key === "z" ? "ctrl+z" : null;
  if (event.ctrlKey || event.metaKey || event.altKey || !singleKeys || key.length !== 1) return null;
  return event.shiftKey && key >= "a" && key <= "z" ? `shift+${key}` : key;
}
