// What the parts of the guideline's page share.
import { html, useLayoutEffect, useRef, useState } from "./ui.js";
import { call } from "./http.js";
import { markdown } from "./panels.js";

export function Prose({ text, label, className = "" }) {
  const place = useRef(null);
  useLayoutEffect(() => place.current.replaceChildren(markdown(text)), [text]);
  return html`<div class=${`prose ${className}`} ref=${place} tabindex="0" role="region" aria-label=${label}></div>`;
}

// An answer that never changes, fetched once.
export function useFetched(path) {
  const [answer, setAnswer] = useState(null);
  useLayoutEffect(() => {
    let wanted = true;
    setAnswer(null);
    call("GET", path).then((found) => wanted && setAnswer(found), () => {});
    return () => {
      wanted = false;
    };
  }, [path]);
  return answer;
}
