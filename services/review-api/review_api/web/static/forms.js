// What the forms about people and accounts share.
import { html, useCallback, useEffect, useRef, useState } from "./ui.js";
import { call } from "./http.js";

const ROLES = [["reviewer", "Reviewer"], ["manager", "Manager"], ["manager reviewer", "Manager and reviewer"]];

export const EXPIRIES = [[24, "A day"], [72, "Three days"], [168, "A week"], [720, "A month"]];

// Both roles are one choice with the roles in the order of the server: `manager reviewer`.
export function RoleChoice({ name, value, disabled, onChange }) {
  return html`<select name=${name} value=${value} disabled=${disabled} onChange=${onChange && ((event) => onChange(event.target.value))}>
    ${ROLES.map(([roles, words]) => html`<option key=${roles} value=${roles} selected=${roles === value}>${words}</option>`)}
  </select>`;
}

export function rolesInWords(roles) {
  const words = new Intl.ListFormat("en-GB").format(roles);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

// What is fetched at the start and after every change; null before the first answer.
export function useLoaded(path, onExpired) {
  const [found, setFound] = useState(null);
  const asked = useRef(0);
  const load = useCallback(async () => {
    asked.current += 1;
    const mine = asked.current;
    try {
      const answer = await call("GET", path);
      if (mine === asked.current) setFound(answer); // one that was asked for later knows more
    } catch (error) {
      if (error.status === 401) onExpired();
    }
  }, [path]);
  useEffect(() => {
    load();
  }, [load]);
  return [found, load];
}

// Returns `act(work)`, which does what changes something, reloads, and gives the answer (null if it was refused), and the
// refusal in words.
export function useAction(reload, onExpired) {
  const [problem, setProblem] = useState("");
  const act = async (work) => {
    setProblem("");
    try {
      const answer = await work();
      await reload();
      return answer;
    } catch (error) {
      if (error.status === 401) onExpired();
      else setProblem(error.message);
      return null;
    }
  };
  return [act, problem];
}

export function Problem({ text }) {
  return html`<p class="problem" role="alert">${text}</p>`;
}

// A secret that is shown once, with a button to copy it.
export function Secret({ label, value, note }) {
  const field = useRef(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    setCopied(false);
    field.current.focus();
    field.current.select();
  }, [value]);
  const copy = async () => {
    field.current.select();
    try {
      await navigator.clipboard.writeText(value);
      setCopied(true);
    } catch {
      // Over plain HTTP the browser does not let a page copy: the text is selected for the keys that do.
    }
  };
  return html`<div class="secret">
    <label>${label}<input ref=${field} readonly value=${value} onFocus=${(event) => event.target.select()} /></label>
    <button onClick=${copy}>${copied ? "Copied" : "Copy"}</button>
    <p class="fine" role="status">${copied ? "Copied. " : ""}${note}</p>
  </div>`;
}
