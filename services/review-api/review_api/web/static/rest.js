// Breaks: why no task is here now, and when the next one comes.
import { html, useEffect, useRef, useState } from "./ui.js";
import { clock, dateTime, plural } from "./format.js";

const ROUND = 2 * Math.PI * 46;
const HOUR_MS = 3_600_000;
const REASONS = new Set(["break_due", "day_full"]);

// The rest that a refused claim asks for, or null. `until` is in the browser's time.
export function restOf(error) {
  if (error.status !== 403 || !REASONS.has(error.code)) return null;
  return { reason: error.code, from: Date.now(), until: Date.now() + (error.retryAfterMs ?? 60_000) };
}

export function Resting({ rest, unsent, onOver }) {
  const left = useLeft(rest.until);
  if (left > 0) return html`<${Pause} rest=${rest} left=${left} unsent=${unsent} />`;
  return html`<${Over} onOver=${onOver} />`;
}

function useLeft(until) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [until]);
  return Math.max(0, until - Math.max(now, Date.now() - 1000));
}

function Pause({ rest, left, unsent }) {
  const full = rest.reason === "day_full";
  return html`<section class="rest" aria-labelledby="rest-heading" data-rest=${rest.reason}>
    <${Clock} rest=${rest} left=${left} />
    <div role="status"><h1 id="rest-heading">${full ? "That is enough for today" : "Time for a break"}</h1></div>
    ${full
      ? html`<p>You have worked as long as a day should be. The tasks wait for you; from ${dateTime(rest.until)} you are welcome back.</p>`
      : html`<p>You have worked for a while without a pause. Get up, look out of a window, drink something. You can close this page: new
          tasks come from ${clock(rest.until)} on.</p>`}
    ${unsent > 0 && html`<p>${plural(unsent, "answer")} of yours ${unsent === 1 ? "is" : "are"} still being sent.</p>`}
    <p><a href="/me${location.search}">My accuracy and pay</a></p>
  </section>`;
}

function Clock({ rest, left }) {
  const share = left / Math.max(1, rest.until - rest.from);
  return html`<div class="rest-clock" role="timer" aria-label="Time left">
    <svg viewBox="0 0 100 100" aria-hidden="true">
      <circle cx="50" cy="50" r="46" />
      <circle class="rest-left" cx="50" cy="50" r="46" stroke-dasharray=${ROUND} stroke-dashoffset=${ROUND * (1 - share)} />
    </svg>
    ${left > HOUR_MS ? html`<b class="rest-when">${hours(left)}</b>` : html`<b>${minutesSeconds(left)}</b>`}
  </div>`;
}

// The way back is a step of one's own: nobody is thrown into work.
function Over({ onOver }) {
  const button = useRef(null);
  useEffect(() => button.current.focus(), []);
  return html`<section class="rest" aria-labelledby="rest-heading" data-rest="over">
    <div role="status"><h1 id="rest-heading">Welcome back</h1></div>
    <p>The break is over. Go on when you are ready.</p>
    <button class="primary" ref=${button} onClick=${onOver}>Go on <kbd aria-hidden="true">Enter</kbd></button>
  </section>`;
}

function minutesSeconds(ms) {
  const seconds = Math.ceil(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function hours(ms) {
  const minutes = Math.ceil(ms / 60_000);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
