// The keyboard: which key a label has, and one listener for all of the page's keys.
import { useEffect, useRef, useState } from "./ui.js";
import { read, write } from "./storage.js";

const LABEL_KEYS = "123456789abcdefhijklmnopqr"; // not g, s, u: they act on the task
const SETTING = "labelmill.single_keys";

export function labelKey(index) {
  return LABEL_KEYS[index];
}

export function labelIndex(key) {
  return LABEL_KEYS.indexOf(key);
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

// Calls `onKey(key)` for plain keys outside of fields and dialogs; `ctrl+z` counts as a key of its own.
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
  if (event.repeat || event.isComposing || document.querySelector("dialog[open]")) return null;
  if (event.target.closest?.("input, textarea, select, [contenteditable]")) return null;
  const key = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) return key === "z" ? "ctrl+z" : null;
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  return singleKeys && key.length === 1 ? key : null;
}
