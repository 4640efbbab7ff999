// My work: what a person decided, skipped, flagged and said, what came too late, and what managers answered. For
// managers also what reviewers flagged and said.
import { html, useCallback, useEffect, useMemo, useRef, useState } from "./ui.js";
import { FLAGS } from "./asking.js";
import { count, dateTime, decimal, plural } from "./format.js";
import { giveBack, taskPath } from "./holds.js";
import { call, segment } from "./http.js";
import { forgetKept, keep, keptBy } from "./kept.js";
import { Link } from "./link.js";
import { Outbox, waitingAnswers } from "./outbox.js";
import { mount } from "./page.js";
import { Excerpt, FromReviewers } from "./remarks.js";
import { useForManagers } from "./session.js";
import { read, write } from "./storage.js";

const PAGE = 30;
const MANAGERS_EVERY_MS = 30_000;

function Work({ account, project, onExpired }) {
  const [chosen, choose] = useState("decisions");
  const open = useForManagers(project, "flags?count=200", MANAGERS_EVERY_MS);
  useUnsent(account, onExpired);
  const tabs = [
    ["decisions", "Decisions", Decisions],
    ["skips", "Skips", Skips],
    ["flags", "Flags", Flags],
    ["comments", "Comments", Comments],
    ["edge-cases", "Edge cases", EdgeCases],
    ["late", "Came too late", Late],
    ...(open === null ? [] : [["reviewers", `From reviewers (${open.flags.length})`, FromReviewers]]),
  ];
  const Panel = tabs.find(([name]) => name === chosen)?.[2] ?? Decisions;
  return html`<main class="page narrow my-work">
    <h1>My work</h1>
    <${Tabs} tabs=${tabs} chosen=${chosen} onChoose=${choose} />
    <section id="panel" role="tabpanel" aria-labelledby=${`tab-${chosen}`} key=${chosen}>
      <${Panel} account=${account} project=${project} onExpired=${onExpired} />
    </section>
  </main>`;
}

// What was given on the review page and not yet sent goes from here too.
function useUnsent(account, onExpired) {
  useEffect(() => {
    const ignore = () => {};
    const link = new Link(() => outbox.flush(), ignore);
    const onRefused = (entry, error) => entry.kind !== "skip" && keep(account.name, entry, error.message);
    const outbox = new Outbox({ user: account.name, link, onSent: ignore, onRefused, onSignedOut: onExpired });
    outbox.flush();
    return () => link.close();
  }, []);
}

function Tabs({ tabs, chosen, onChoose }) {
  const place = useRef(null);
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const names = tabs.map(([name]) => name);
    const next = names[(names.indexOf(chosen) + step + names.length) % names.length];
    onChoose(next);
    place.current.querySelector(`#tab-${next}`).focus();
  };
  return html`<div class="tabs" role="tablist" aria-label="What to show" ref=${place} onKeyDown=${move}>
    ${tabs.map(([name, title]) => html`<button key=${name} role="tab" id=${`tab-${name}`} aria-selected=${chosen === name}
      aria-controls="panel" tabindex=${chosen === name ? 0 : -1} onClick=${() => onChoose(name)}>${title}</button>`)}
  </div>`;
}

// All rows of one of the lists under /v1/me, page by page. `rows` is null until the first is here.
function useRows(what, project, onExpired, query = "") {
  const [state, setState] = useState({ rows: null, next: null, problem: "" });
  const load = useCallback(
    async (before) => {
      const after = before?.next ? `&after=${before.next}` : "";
      try {
        const page = await call("GET", `/v1/me/${what}?project=${segment(project.project)}&count=${PAGE}${after}${query}`);
        setState({ rows: [...(before?.rows ?? []), ...page.rows], next: page.next, problem: "" });
      } catch (error) {
        if (error.status === 401) onExpired();
        setState({ rows: before?.rows ?? [], next: before?.next ?? null, problem: error.message });
      }
    },
    [what, project.project, query],
  );
  useEffect(() => {
    load(null);
  }, [load]);
  return { ...state, more: () => load(state), reload: () => load(null) };
}

function Rows({ list, empty, children }) {
  if (list.rows === null) return html`<p class="fine" aria-busy="true">Loading…</p>`;
  return html`
    ${list.problem && html`<p class="problem" role="alert">${list.problem}</p>`}
    ${list.rows.length === 0 && !list.problem && html`<p class="nothing">${empty}</p>`}
    ${list.rows.length > 0 && html`<ul class="rows card">${list.rows.map(children)}</ul>`}
    ${list.next && html`<button class="more" onClick=${list.more}>Show older</button>`}
  `;
}

function Item({ row, children, aside }) {
  return html`<li class="row" key=${`${row.task_id}.${row.at}`}>
    <div class="row-main">
      <${Excerpt} row=${row} />
      <p class="fine"><span class="row-id">${row.item_id}</span> · <time dateTime=${new Date(row.at).toISOString()}>${dateTime(row.at)}</time></p>
      ${children}
    </div>
    ${aside && html`<div class="row-aside">${aside}</div>`}
  </li>`;
}

function Decisions({ account, project, onExpired }) {
  const [sought, seek] = useState("");
  const [said, setSaid] = useState("");
  const list = useRows("decisions", project, onExpired, sought && `&item_id=${segment(sought)}`);
  const takeBack = async (row) => {
    try {
      const { lease, lease_until } = await call("POST", taskPath(row.task_id, "undo"));
      if (toDesk(account, project, row, { lease, lease_until })) return location.assign(`/${location.search}`);
      await giveBack([{ ...row, lease }]);
      setSaid(`Your decision on ${row.item_id} is taken back. Its task waits in the queue again.`);
    } catch (error) {
      setSaid(error.status === 409 ? "It is too late to take this decision back: it has left already." : error.message);
    }
    return list.reload();
  };
  return html`
    <${Today} account=${account} rows=${sought ? null : list.rows} />
    <${Search} onSeek=${seek} />
    <p class="said-here" role="status">${said}</p>
    <${Rows} list=${list} empty=${sought ? `You have decided nothing about an item “${sought}”.` : "Nothing decided yet."}>
      ${(row) => html`<${Item} row=${row} aside=${html`
        <strong class="chip">${labelText(row.label)}</strong>
        <span class="fine">${decimal(row.seconds, 0)} s</span>
        ${isOpen(row) && html`<button onClick=${() => takeBack(row)}>Take back</button>`}`} />`}
    </${Rows}>`;
}

function isOpen(row) {
  return row.undo_until === 0 || row.undo_until > Date.now();
}

// Puts a task that was decided in this tab on the review page again; says whether it was one.
function toDesk(account, project, row, lease) {
  const place = `${account.name}.${project.project}`;
  const [heldKey, historyKey] = [`labelmill.held.${place}`, `labelmill.held.history.${place}`];
  const past = read(sessionStorage, historyKey, []).findLast(({ task }) => task.task_id === row.task_id);
  if (past === undefined) return false;
  const others = read(sessionStorage, historyKey, []).filter(({ id }) => id !== past.id);
  write(sessionStorage, historyKey, others);
  write(sessionStorage, heldKey, [{ ...past.task, ...lease, undone: past.label }, ...read(sessionStorage, heldKey, [])]);
  return true;
}

function Today({ account, rows }) {
  const recent = (rows ?? []).map(({ seconds }) => seconds).filter((seconds) => seconds > 0);
  const pace = recent.length < 3 ? null : (60 * recent.length) / recent.reduce((sum, one) => sum + one, 0);
  const unsent = useMemo(() => waitingAnswers().get(account.name) ?? 0, [rows]);
  return html`<dl class="progress">
    <div><dt>Decided today</dt><dd data-figure="today">${count(account.decisions_today)}</dd></div>
    <div><dt>Pace of the last ${recent.length || ""}</dt><dd data-figure="pace">${pace === null ? "–" : html`${decimal(pace, 0)}<small> a minute</small>`}</dd></div>
    ${unsent > 0 && html`<div><dt>Not sent yet</dt><dd data-figure="unsent">${plural(unsent, "answer")}</dd></div>`}
  </dl>`;
}

function Search({ onSeek }) {
  const submit = (event) => {
    event.preventDefault();
    onSeek(new FormData(event.currentTarget).get("item").trim());
  };
  const cleared = (event) => event.target.value === "" && onSeek("");
  return html`<form class="search" role="search" onSubmit=${submit}>
    <label>Item <input type="search" name="item" maxlength="1000" autocomplete="off" spellcheck=${false} onInput=${cleared} /></label>
    <button>Find</button>
  </form>`;
}

function labelText(label) {
  return typeof label === "string" ? label : JSON.stringify(label);
}

function Skips({ project, onExpired }) {
  const list = useRows("skips", project, onExpired);
  return html`<${Rows} list=${list} empty="Nothing skipped.">
    ${(row) => html`<${Item} row=${row}><p class="row-said">${row.reason || html`<span class="fine">without a reason</span>`}</p></${Item}>`}
  </${Rows}>`;
}

function Flags({ project, onExpired }) {
  const list = useRows("flags", project, onExpired);
  return html`<${Rows} list=${list} empty="Nothing flagged.">
    ${(row) => html`<${Item} row=${row} aside=${html`<span class=${row.resolved_at ? "chip done" : "chip"}>${row.resolved_at ? "resolved" : "open"}</span>`}>
      <p class="row-said"><strong>${FLAGS[row.reason]}</strong> ${row.text}</p>
      ${row.answer && html`<p class="row-answer">A manager: ${row.answer}</p>`}
    </${Item}>`}
  </${Rows}>`;
}

// The server gives the newest hundred of these, in one go.
function EdgeCases({ project, onExpired }) {
  const [list, setList] = useState({ rows: null, next: null, problem: "" });
  useEffect(() => {
    const load = async () => {
      try {
        const { edge_cases } = await call("GET", `/v1/projects/${segment(project.project)}/edge-cases/mine`);
        setList({ rows: edge_cases, next: null, problem: "" });
      } catch (error) {
        if (error.status === 401) onExpired();
        setList({ rows: [], next: null, problem: error.message });
      }
    };
    load();
  }, [project.project]);
  return html`<${Rows} list=${list} empty="No edge cases raised.">
    ${(one) => html`<${Item} key=${one.edge_case_id} row=${{ ...one, excerpt: one.content?.slice(0, 300), at: one.raised_at }} aside=${html`
      <span class=${one.state === "open" ? "chip" : "chip done"}>${one.published_in ? `in version ${one.published_in}` : one.state}</span>`}>
      <p class="row-said">${one.question}</p>
      ${(one.answer || one.example_label) && html`<p class="row-answer">A manager: ${one.example_label && html`<strong>${one.example_label}</strong> `}${one.answer}</p>`}
    </${Item}>`}
  </${Rows}>`;
}

function Comments({ project, onExpired }) {
  const list = useRows("comments", project, onExpired);
  return html`<${Rows} list=${list} empty="No comments.">
    ${(row) => html`<${Item} row=${row} aside=${html`<span class="fine">${row.audience === "raters" ? "to raters" : "to managers"}</span>`}>
      <p class="row-said">${row.text}</p>
    </${Item}>`}
  </${Rows}>`;
}

function Late({ account, project, onExpired }) {
  const list = useRows("late", project, onExpired);
  const [here, setHere] = useState(keptBy(account.name, project.project));
  const forget = (entry) => {
    forgetKept(account.name, entry.id);
    setHere(keptBy(account.name, project.project));
  };
  return html`
    <p class="fine intro">What came after its task had gone to others. It was not counted; answers are marked on their buttons should their tasks come
      back to you.</p>
    ${here.length > 0 && html`<h2>Kept in this browser</h2>
      <ul class="rows card">${here.map((entry) => html`<${Item} key=${entry.id} row=${entry} aside=${html`
        <button onClick=${() => forget(entry)}>Put away</button>`}>
        <p class="row-said"><strong>${entry.kind === "decision" ? "answer" : entry.kind}</strong> ${entry.text}</p>
      </${Item}>`)}</ul>
      <h2>Kept by the server</h2>`}
    <${Rows} list=${list} empty="Nothing came too late.">
      ${(row) => html`<${Item} row=${row} aside=${html`<strong class="chip">${labelText(row.label)}</strong>`} />`}
    </${Rows}>`;
}

mount("work", Work, { waiting: waitingAnswers });
