// The reviewers' page.
import { html, useCallback, useEffect, useLayoutEffect, useRef, useState } from "./ui.js";
import { CommentDialog, FLAGS, FlagDialog, SkipDialog } from "./asking.js";
import { Desk } from "./desk.js";
import { count, decimal, plural } from "./format.js";
import { InAnotherWindow } from "./elsewhere.js";
import { useFocusKept } from "./focus.js";
import { Icon } from "./icons.js";
import { actionOf, keyOfAction, labelIndex, useKeys, useSingleKeys } from "./keys.js";
import { waitingAnswers } from "./outbox.js";
import { EdgeCaseDialog } from "./edge_case.js";
import { Guideline, Help } from "./panels.js";
import { mount } from "./page.js";
import { Resting } from "./rest.js";
import { ConsentQuestion, DistressingWaits } from "./consent.js";
import { HIDDEN, useVeil } from "./sensitive.js";
import { mayManage } from "./session.js";
import { Blank } from "./shell.js";
import { read, write } from "./storage.js";
import { Labels, LostTask, TaskCard } from "./task.js";
import { useTextSize } from "./text_size.js";
import { Lesson, Qualified, SkillsWanted, skillWanted } from "./training.js";

const SETTLE_MS = 200; // a second press of the same key must not label a text nobody has seen
const PRESSED_MS = 160;
const NEXT_TASK = "labelmill:next-task"; // measures the time from an answer to the next task on the screen

// The desk of one person in one project; draws again whenever it changes.
function useDesk(account, project, onExpired, onOutdated) {
  const [, redraw] = useState(0);
  const desk = useRef(null);
  desk.current ??= new Desk({ account, project, onChange: () => redraw((n) => n + 1), onSignedOut: onExpired, onOutdated });
  useEffect(() => {
    desk.current.open();
    return () => desk.current.close();
  }, []);
  return desk.current;
}

function Workbench({ account, session, project, onExpired, onOutdated }) {
  const desk = useDesk(account, project, onExpired, onOutdated);
  const [guidelineOpen, toggleGuideline] = useGuideline();
  const [dialog, setDialog] = useState(null);
  const [singleKeys, setSingleKeys] = useSingleKeys();
  const [pressed, setPressed] = useState(null);
  const textSize = useTextSize();
  const main = useRef(null);
  const shown = useShown(desk);
  const veil = useVeil(desk.current, (goes) => desk.wentToOthers(goes));
  useFocusKept(main);
  const { labels } = project.spec;

  const choose = (label) => {
    if (!veil.open) return desk.say("The text is hidden. Show it first, or skip it.", { andTask: false });
    if (shown.current.task !== desk.current || Date.now() - shown.current.at < SETTLE_MS) return;
    setPressed(label);
    setTimeout(() => setPressed(null), PRESSED_MS);
    desk.decide(label);
  };
  const ask = (what) => () => desk.current && !desk.current.lost && setDialog(what);
  const answered = (work) => (...given) => {
    setDialog(null);
    work(...given);
  };
  // By the names in keys.js. What has no entry here has no key, and does not show in the help.
  const actions = {
    skip: ask("skip"),
    undo: () => desk.undo(),
    flag: ask("flag"),
    comment: ask("comment"),
    edgeCase: ask("edge case"),
    reveal: veil.toggle,
    guideline: toggleGuideline,
    larger: textSize.larger,
    smaller: textSize.smaller,
    goOn: () => desk.goOn(),
    takeOver: () => desk.current === null && desk.elsewhere.take(),
    work: () => location.assign(`/work${location.search}`),
    theme: () => press("[data-act=theme]"),
    projects: () => document.querySelector(".chooser select")?.focus(),
    signOut: session.leave,
    help: () => setDialog("help"),
  };
  useKeys((key) => {
    const action = actions[actionOf(key)];
    const label = labels[labelIndex(key)];
    if (action) action();
    else if (label && desk.current) choose(label.name);
    else return false;
    return true;
  }, singleKeys);

  // A dialog hears late that it was closed: the next one may be open by then.
  const closed = (what) => () => setDialog((now) => (now === what ? null : now));
  return html`
    <${Banner} desk=${desk} />
    <div class=${guidelineOpen ? "bench with-guideline" : "bench"}>
      <main class="work" ref=${main} tabindex="-1">
        <${Progress} desk=${desk} />
        <${Notices} desk=${desk} />
        <${ConsentQuestion} project=${project} onStored=${(given) => desk.consented(given)} />
        <${Stage} account=${account} desk=${desk} project=${project} veil=${veil} singleKeys=${singleKeys} pressed=${pressed} onChoose=${choose} />
        <${Actions} desk=${desk} actions=${actions} singleKeys=${singleKeys} guidelineOpen=${guidelineOpen} textSize=${textSize} />
      </main>
      ${guidelineOpen && html`<${Guideline} project=${project} onClose=${toggleGuideline} />`}
    </div>
    <${Announcer} desk=${desk} />
    ${desk.lessons[0] && html`<${Lesson} key=${desk.lessons[0].id} lesson=${desk.lessons[0]} onClose=${() => desk.learned()} />`}
    ${dialog === "help" && html`<${Help} labels=${labels} actions=${actions} singleKeys=${singleKeys} onSingleKeys=${setSingleKeys} onClose=${closed("help")} />`}
    ${dialog === "skip" && html`<${SkipDialog} onSkip=${answered((reason) => desk.skip(reason))} onClose=${closed("skip")} />`}
    ${dialog === "flag" && html`<${FlagDialog} onClose=${closed("flag")}
      onFlag=${answered((reason, text) => desk.flag(reason, FLAGS[reason], text))} />`}
    ${dialog === "comment" && html`<${CommentDialog} blind=${desk.current?.blind && !desk.current.adjudication} onClose=${closed("comment")}
      onComment=${answered((text, audience) => desk.comment(text, audience))} />`}
    ${dialog === "edge case" && html`<${EdgeCaseDialog} labels=${labels} onClose=${closed("edge case")}
      onRaise=${answered((question, label) => desk.remark("edge-case", { question, label }, question, "Raised an edge case."))} />`}
  `;
}

function press(selector) {
  document.querySelector(selector)?.click();
}

function useGuideline() {
  const [open, setOpen] = useState(read(localStorage, "labelmill.guideline", matchMedia("(min-width: 75rem)").matches));
  const toggle = useCallback(() => {
    setOpen((was) => {
      write(localStorage, "labelmill.guideline", !was);
      return !was;
    });
  }, []);
  return [open, toggle];
}

// The task that is on the screen, and since when.
function useShown(desk) {
  const shown = useRef({ task: null, at: 0 });
  const task = desk.current;
  useLayoutEffect(() => {
    shown.current = { task, at: Date.now() };
    if (task === null || desk.answeredAt === null) return;
    const start = desk.answeredAt;
    desk.answeredAt = null;
    requestAnimationFrame(() => {
      performance.clearMeasures(NEXT_TASK);
      performance.measure(NEXT_TASK, { start, end: performance.now() });
    });
  }, [task]);
  return shown;
}

function Stage({ account, desk, project, veil, singleKeys, pressed, onChoose }) {
  const task = desk.current;
  if (desk.phase === "forbidden") return html`<${NotAReviewer} manages=${mayManage(account, project.project)} project=${project} />`;
  if (task === null) return html`<${NothingHere} desk=${desk} project=${project} singleKeys=${singleKeys} />`;
  return html`
    <${TaskCard} task=${task} veil=${veil} onGiveBack=${() => desk.skip("")} />
    ${task.lost && html`<${LostTask} onNext=${() => desk.next()} />`}
    <${Labels} labels=${project.spec.labels} task=${task} singleKeys=${singleKeys} pressed=${pressed} onChoose=${onChoose} />
  `;
}

function NotAReviewer({ manages, project }) {
  const to = (path, words) => html`<a href=${path + location.search}>${words}</a>`;
  return html`<${Blank} title="This account does not review">
    ${manages
      ? html`<p>You manage <strong>${project.spec.title}</strong>: how it goes is on the ${to("/dashboard", "dashboard")}, what waits for people
          is in the ${to("/queue", "queue")}.</p>
        <p>To review too, ask another manager or an admin: they give the role on the page People.</p>`
      : html`<p>To review in <strong>${project.spec.title}</strong>, ask one of its managers for the reviewer role. Until then the
          ${" "}${to("/dashboard", "dashboard")} and the ${to("/guideline", "guideline")} are open to you.</p>`}
  </${Blank}>`;
}

function NothingHere({ desk, project, singleKeys }) {
  if (desk.link.down) return html`<${Blank} title="That was all that had been loaded">
    <p>Your answers are safe. The next task comes with the connection.</p>
  </${Blank}>`;
  if (desk.rest !== null) return html`<${Resting} rest=${desk.rest} unsent=${desk.unsent} onOver=${() => desk.endRest()} />`;
  if (desk.phase === "stopped") return html`<${Blank} title="Not just now"><p>${desk.stop.message}</p></${Blank}>`;
  if (desk.phase !== "empty") return html`<div class="card task waiting" aria-busy="true"><span class="visually-hidden">Loading</span></div>`;
  if (desk.elsewhere.count > 0) return html`<${InAnotherWindow} elsewhere=${desk.elsewhere} singleKeys=${singleKeys} />`;
  const skill = skillWanted();
  if (skill !== null) return html`<${Qualified} project=${project} skill=${skill} />`;
  const done = desk.decidedToday;
  const wanted = desk.skillsWanted;
  return html`<${Blank} title=${wanted.length > 0 ? "What waits needs a skill" : "All caught up"}>
    <p>Nothing in <strong>${project.spec.title}</strong> waits for you just now. New tasks show here by themselves.</p>
    ${wanted.length > 0 && html`<${SkillsWanted} project=${project} skills=${wanted} />`}
    ${done > 0 && html`<p class="fine">You decided ${plural(done, "task")} today. Thank you.</p>`}
    <${DistressingWaits} project=${project} onStored=${(given) => desk.consented(given)} />
  </${Blank}>`;
}

function Progress({ desk }) {
  const { status } = desk;
  const left = status === null ? null : (status.open_tasks ?? 0) + (status.leased_tasks ?? 0);
  return html`<dl class="progress">
    <div><dt>Decided today</dt><dd data-figure="decided">${count(desk.decidedToday)}</dd></div>
    <div><dt title="Tasks of the project that are not settled, those in somebody's hands included">Waiting for people</dt><dd data-figure="left">${count(left)}</dd></div>
    <div><dt>Pace</dt><dd data-figure="pace">${desk.pace === null ? "–" : html`${decimal(desk.pace, 0)}<small> a minute</small>`}</dd></div>
  </dl>`;
}

function Banner({ desk }) {
  const [, tick] = useState(0);
  const { link } = desk;
  useEffect(() => {
    if (!link.down) return undefined;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [link.down]);
  const seconds = Math.max(0, Math.ceil((link.nextTryAt - Date.now()) / 1000));
  return html`<div class="banner-place" role="status">
    ${link.down && html`<div class="banner">
      <p><strong>${link.cause?.status > 0 ? "The server has trouble." : "No connection."}</strong> ${keptSentence(desk.unsent)}</p>
      <span class="fine" aria-hidden="true">${seconds > 0 ? `Next try in ${seconds} s` : "Trying…"}</span>
      <button onClick=${() => link.tryNow()}>Try now</button>
    </div>`}
  </div>`;
}

function keptSentence(unsent) {
  if (unsent === 0) return "Nothing is lost; you can go on.";
  return `${plural(unsent, "answer")} ${unsent === 1 ? "is" : "are"} kept in this browser and sent when it is back.`;
}

function Notices({ desk }) {
  return html`<div class="notices" role="alert">
    ${desk.notices.map((notice) => html`<div key=${notice.id} class=${`notice ${notice.kind === "kept" ? "people" : "bad"}`}>
      <p>${notice.text}${notice.entry?.excerpt && html` <span class="fine">“${notice.entry.excerpt}”</span>`}</p>
      <button class="quiet square" onClick=${() => desk.dismiss(notice.id)} aria-label="Dismiss"><${Icon} name="close" /></button>
    </div>`)}
  </div>`;
}

function Actions({ desk, actions, singleKeys, guidelineOpen, textSize }) {
  const key = (name) => singleKeys && html`<kbd aria-hidden="true">${keyOfAction(name)}</kbd>`;
  const last = desk.history.at(-1);
  const noTask = !desk.current || desk.current.lost;
  return html`
    <div class="actions" role="group" aria-label="About this task">
      <button onClick=${actions.skip} disabled=${noTask}><${Icon} name="skip" />Skip ${key("skip")}</button>
      <button onClick=${actions.undo} disabled=${!last}><${Icon} name="undo" />Undo ${key("undo")}</button>
      <button onClick=${actions.flag} disabled=${noTask}><${Icon} name="flag" />Flag ${key("flag")}</button>
      <button onClick=${actions.comment} disabled=${noTask}><${Icon} name="comment" />Comment ${key("comment")}</button>
      <button onClick=${actions.edgeCase} disabled=${noTask}><${Icon} name="spark" />Edge case ${key("edgeCase")}</button>
    </div>
    <div class="actions below">
      <p class="last">${last && html`Last: <b>${last.kind === "skip" ? "skipped" : last.label}</b>${desk.outbox.has(last.id) && html`<span class="fine"> · sending</span>`}`}</p>
      <${TextSizes} textSize=${textSize} />
      <button onClick=${actions.guideline} aria-expanded=${guidelineOpen} aria-controls="guideline"><${Icon} name="book" />Guideline ${key("guideline")}</button>
      <button onClick=${actions.help}><${Icon} name="help" />Help ${key("help")}</button>
    </div>`;
}

function TextSizes({ textSize }) {
  return html`<span class="pair" role="group" aria-label="Size of the text">
    <button class="square" onClick=${textSize.smaller} disabled=${textSize.isSmallest} title="Smaller text">
      <span aria-hidden="true">A−</span><span class="visually-hidden">Smaller text</span>
    </button>
    <button class="square" onClick=${textSize.larger} disabled=${textSize.isLargest} title="Larger text">
      <span aria-hidden="true">A+</span><span class="visually-hidden">Larger text</span>
    </button>
  </span>`;
}

// Says to a screen reader what just happened and what the next text is.
function Announcer({ desk }) {
  const task = desk.current;
  const next = task && desk.saysTask !== false ? `${task.blind ? "Blind check. " : ""}${task.sensitive ? HIDDEN : task.content}` : "";
  return html`<div class="visually-hidden" aria-live="polite" aria-atomic="true" data-announcer>${desk.said} ${next}</div>`;
}

mount("review", Workbench, { waiting: waitingAnswers });
