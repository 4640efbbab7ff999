// Consent to distressing texts: the question, and the way to change one's mind at once, in both directions.
import { html, useCallback, useEffect, useState } from "./ui.js";
import { plural } from "./format.js";
import { call, segment } from "./http.js";
import { Icon } from "./icons.js";
import { useRepeated } from "./session.js";

const LOOK_EVERY_MS = 30_000;

function pathOf(project) {
  return `/v1/projects/${segment(project.project)}`;
}

function applies(project) {
  return Object.keys(project.spec.review?.care?.sensitive ?? {}).length > 0;
}

// `say(given)` stores an answer; `problem` says in words that it was not stored.
function useAnswer(project, onStored) {
  const [problem, setProblem] = useState("");
  const say = async (given) => {
    try {
      await call("PUT", `${pathOf(project)}/consent`, { given });
      setProblem("");
      onStored(given);
    } catch {
      setProblem("That was not stored: the server does not answer. Try again in a moment.");
    }
  };
  return [say, problem];
}

// Asks once, where the project has such items; the server says whether it is time to ask. What was answered stays on
// the screen until it is put away, with the way back.
export function ConsentQuestion({ project, onStored }) {
  const [shown, setShown] = useState("nothing"); // nothing | question | yes | no | later
  const [say, problem] = useAnswer(project, (given) => {
    setShown(given ? "yes" : "no");
    onStored(given);
  });
  useEffect(() => {
    if (!applies(project)) return;
    call("POST", `${pathOf(project)}/consent/question`).then(
      (answer) => answer.ask && setShown("question"),
      () => {}, // there is a switch on the other page
    );
  }, [project.project]);
  if (shown === "nothing") return null;
  if (shown !== "question") return html`<${Answered} answer=${shown} problem=${problem} onSay=${say}
    onQuestion=${() => setShown("question")} onClose=${() => setShown("nothing")} />`;
  return html`<section class="card consent" aria-labelledby="consent-heading">
    <h2 id="consent-heading">Would you see distressing texts?</h2>
    <p>Some items here may be hard to read. They are given only to people who say yes, hidden until you ask for each, and
      ${` ${project.spec.review.care.sensitive_per_day} `} a day at most. You can say no now, or change your mind at any time on ${" "}
      <a href="/me${location.search}">My accuracy and pay</a>: it changes nothing about your pay, your other work or how you are judged.</p>
    <p class="problem" role="alert">${problem}</p>
    <div class="consent-answers">
      <button onClick=${() => say(true)}>Yes, I would see them</button>
      <button onClick=${() => say(false)}>No, leave them to others</button>
      <button class="quiet" onClick=${() => setShown("later")}>Ask me another day</button>
    </div>
  </section>`;
}

const ANSWERED = {
  yes: ["You may be given distressing texts from now on, each hidden until you ask for it.", "Leave them to others"],
  no: ["Distressing texts are left to others.", "See them after all"],
  later: ["You are asked another day. Until you say yes, distressing texts are left to others.", "Answer now"],
};

function Answered({ answer, problem, onSay, onQuestion, onClose }) {
  const [words, back] = ANSWERED[answer];
  const change = answer === "later" ? onQuestion : () => onSay(answer === "no");
  return html`<section class="card consent answered" aria-label="Distressing texts">
    <p role="status">${words}</p>
    <div class="consent-answers">
      <button onClick=${change}>${back}</button>
      <button class="quiet square" onClick=${onClose} aria-label="Put away"><${Icon} name="close" /></button>
    </div>
    <p class="problem" role="alert">${problem}</p>
  </section>`;
}

// Where nothing else is left: that distressing texts wait, for those who have not said that they would see them; and
// for those who have, the way to say no again.
export function DistressingWaits({ project, onStored }) {
  const [sensitive, setSensitive] = useState(null);
  const load = useCallback(async () => {
    try {
      setSensitive((await call("GET", `${pathOf(project)}/care`)).sensitive);
    } catch {
      // the next look may tell
    }
  }, [project.project]);
  useRepeated(load, LOOK_EVERY_MS, applies(project));
  const [say, problem] = useAnswer(project, (given) => {
    onStored(given);
    return load();
  });
  if (sensitive === null || !(sensitive.consent || sensitive.waiting)) return null;
  const full = sensitive.shown >= sensitive.most;
  return html`<section class="distressing-waits" aria-label="Distressing texts">
    <p>${sensitive.consent ? consentedWords(sensitive, full) : "Texts that may be distressing wait. They go only to people who would see them, each hidden until you ask for it."}</p>
    <button onClick=${() => say(!sensitive.consent)}>${sensitive.consent ? "Leave distressing texts to others" : "I would see them"}</button>
    <p class="problem" role="alert">${problem}</p>
  </section>`;
}

function consentedWords({ waiting, shown }, full) {
  if (full && waiting) return `Texts that may be distressing wait. You were shown ${plural(shown, "of them", "of them")} within 24 hours, which is enough.`;
  return "You have said that you would see texts that may be distressing.";
}
