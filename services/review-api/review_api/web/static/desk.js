// The reviewer's desk: the tasks at hand, what was answered, and everything that keeps the two in step
// with the server. It draws nothing; the page subscribes to it.
import { Elsewhere } from "./elsewhere.js";
import { Holds, giveBack, taskPath } from "./holds.js";
import { call, segment } from "./http.js";
import { keep } from "./kept.js";
import { Link } from "./link.js";
import { Outbox } from "./outbox.js";
import { restOf } from "./rest.js";
import { read, write } from "./storage.js";
import { lessonOf, qualifying } from "./training.js";

const HELD = 3; // the task shown and those after it
const HISTORY = 20;
const NOTICES = 3;
const PACE_WINDOW_MS = 5 * 60_000;
const STATUS_EVERY_MS = 10_000;
const LOOK_AGAIN_MS = 4000;
const EVERY_BEAT_MS = 1000;

export class Desk {
  constructor({ account, project, onChange, onSignedOut, onOutdated }) {
    Object.assign(this, { account, project, onChange, onOutdated });
    this.onSignedOut = () => {
      this.signedOut = true;
      onSignedOut();
    };
    this.heldKey = `labelmill.held.${account.name}.${project.project}`;
    this.historyKey = `labelmill.held.history.${account.name}.${project.project}`;
    this.link = new Link(() => this.resume(), onChange);
    this.outbox = new Outbox({
      user: account.name,
      link: this.link,
      onSent: (entry, answer) => this.sent(entry, answer),
      onRefused: (entry, error) => this.refused(entry, error),
      onSignedOut: this.onSignedOut,
    });
    this.holds = new Holds({
      onLost: (task) => this.lose(task),
      onError: (error) => this.failed(error),
      onBack: () => this.comeBack(),
    });
    this.tasks = this.unanswered(read(sessionStorage, this.heldKey, []));
    this.history = read(sessionStorage, this.historyKey, []);
    this.late = new Map(); // item to an answer that came too late
    this.notices = [];
    this.noticeCount = 0;
    this.elsewhere = new Elsewhere(this);
    this.skillsWanted = []; // of what waits, where nothing was handed out
    this.lessons = []; // of tasks in training, to be read one after the other
    this.status = null;
    this.phase = "loading"; // loading | working | empty | forbidden | stopped
    this.stop = null; // why no task is given out, when stopped
    this.rest = null; // the break or the end of the day that is due, until the person goes on
    this.decidedToday = account.decisions_today ?? 0;
    this.paceStamps = [];
    this.answeredAt = null; // of the answer whose next task is not on the screen yet
    this.said = "";
    this.timers = new Set();
    this.signedOut = false;
    this.closed = false;
  }

  // Of the tasks that a closed tab had at hand: an answer may have been written down just before.
  unanswered(tasks) {
    const said = this.outbox.entries.filter(({ kind }) => kind === "decision" || kind === "skip");
    return tasks.filter((task) => !said.some(({ task_id, lease }) => task_id === task.task_id && lease === task.lease));
  }

  get current() {
    return this.tasks[0] ?? null;
  }

  get unsent() {
    return this.outbox.entries.length;
  }

  // Decisions a minute over the last five, or since the first of them; null before there are three.
  get pace() {
    const now = Date.now();
    const recent = this.paceStamps.filter((stamp) => now - stamp < PACE_WINDOW_MS);
    if (recent.length < 3) return null;
    return ((recent.length - 1) * 60_000) / Math.max(1000, recent.at(-1) - recent[0]);
  }

  async open() {
    this.hear("pagehide", () => this.putBack(this.tasks.slice(1)));
    this.hear("pageshow", (event) => event.persisted && this.comeBack());
    this.hear("labelmill:leaving", (event) => event.detail.push(this.putBack(this.tasks)));
    if (this.tasks.length > 0) await this.beat();
    this.every(STATUS_EVERY_MS, () => this.link.down || this.refreshStatus());
    this.every(EVERY_BEAT_MS, () => this.beatWhenDue());
    this.refreshStatus();
    await this.resume();
  }

  close() {
    this.putBack(this.tasks.slice(1));
    this.closed = true;
    this.link.close();
    this.holds.close();
    for (const timer of this.timers) clearTimeout(timer);
    for (const [name, listener] of this.heard ?? []) removeEventListener(name, listener);
  }

  // Without a connection, what is at hand stays: it is all there is to go on with.
  putBack(tasks) {
    if (tasks.length === 0 || this.signedOut || this.link.down || !navigator.onLine) return undefined;
    this.tasks = this.tasks.filter((task) => !tasks.includes(task));
    this.save();
    return giveBack(tasks.filter((task) => !task.lost));
  }

  // Sends what waits, then fills the desk. Also what a retry does.
  async resume() {
    if (this.link.down && !(await this.refreshStatus())) return;
    await this.outbox.flush();
    await this.fill();
  }

  // The server answered. The connection counts as whole only once nothing waits: a call that went through must
  // not end the retries of an answer that did not.
  reached() {
    if (this.unsent > 0) this.outbox.flush();
    else this.link.worked();
  }

  async fill() {
    if (this.filling || this.closed || this.holds.idle || this.rest !== null) return this.settle();
    this.filling = true;
    try {
      // Answers given meanwhile leave more room. Fewer than asked for: there are no more just now.
      for (let room = this.room; room > 0; room = this.room) if ((await this.claim(room)) < room) break;
      this.reached();
    } catch (error) {
      this.failedToFill(error);
    } finally {
      this.filling = false;
    }
    this.settle();
  }

  get room() {
    return this.closed ? 0 : HELD - this.tasks.filter((task) => !task.lost).length;
  }

  async claim(count) {
    const path = qualifying(this.project) ?? `/v1/projects/${segment(this.project.project)}/tasks/claim`;
    const { tasks, in_hand: inHand, skills_wanted: skillsWanted, serverNow } = await call("POST", path, { count });
    this.skillsWanted = skillsWanted;
    this.take(tasks, serverNow);
    this.elsewhere.hear(inHand);
    return tasks.length;
  }

  take(tasks, serverNow) {
    if (this.closed) return void giveBack(tasks);
    for (const task of tasks) {
      this.holds.learn(task.lease_until - serverNow);
      this.markLate(task);
      const held = this.tasks.find((one) => one.task_id === task.task_id);
      if (held === undefined) this.tasks.push(task);
      else Object.assign(held, { lease: task.lease, lease_until: task.lease_until, lost: false }); // lost, and got back
    }
    this.phase = this.tasks.length > 0 ? "working" : "empty";
    this.save();
    this.onChange();
  }

  markLate(task) {
    task.kept ??= this.late.get(task.item_id) ?? null;
  }

  failedToFill(error) {
    if (error.status !== 403) return this.failed(error) || this.notify("trouble", error.message);
    this.phase = error.code === "forbidden" ? "forbidden" : "stopped";
    this.stop = error;
    this.rest = restOf(error);
    return undefined;
  }

  endRest() {
    this.rest = null;
    this.phase = "loading";
    return this.fill();
  }

  // Returns whether that was all there is to do about an error.
  failed(error) {
    if (error.status === 401) this.onSignedOut();
    else if (error.mayPass) this.link.failed(error);
    return error.status === 401 || error.mayPass;
  }

  // Draws, and looks again later when there was nothing to do.
  settle() {
    if (this.rest !== null) this.phase = "stopped";
    if (this.tasks.length > 0 && this.phase !== "forbidden") this.phase = "working";
    if ((this.phase === "empty" || this.phase === "stopped") && !this.polling) {
      this.polling = true;
      this.after(LOOK_AGAIN_MS, () => {
        this.polling = false;
        if (!this.link.down) this.fill();
      });
    }
    this.onChange();
  }

  // Consent to distressing texts was given, or taken back: then the server gave those in hand to others.
  consented(given) {
    return this.wentToOthers((task) => !given && task.sensitive);
  }

  wentToOthers(goes) {
    this.tasks = this.tasks.filter((task) => !goes(task));
    this.save();
    return this.fill();
  }

  decide(label) {
    const task = this.current;
    if (task === null || task.lost) return;
    this.answer(task, "decision", label, { lease: task.lease, label });
    this.paceStamps.push(Date.now());
    this.decidedToday += 1;
    this.say(`Labelled ${label}.`);
  }

  skip(reason) {
    const task = this.current;
    if (task === null || task.lost) return;
    this.answer(task, "skip", reason ?? "", reason ? { lease: task.lease, reason } : { lease: task.lease });
    this.say("Skipped.");
  }

  answer(task, kind, text, body) {
    this.answeredAt = performance.now();
    const entry = this.entry(task, kind, text, body);
    this.tasks.shift();
    this.phase = this.tasks.length > 0 ? "working" : "loading";
    this.history = [...this.history, { task, kind, label: text, id: entry.id }].slice(-HISTORY);
    this.outbox.add(entry);
    this.save();
    this.onChange();
    if (!this.link.down) this.fill();
  }

  // Something is wrong with the item: `reason` is one that the server knows.
  flag(reason, name, text) {
    this.remark("flag", { reason, text }, [name, text].filter(Boolean).join(": "), `Flagged: ${name}.`);
  }

  comment(text, audience) {
    this.remark("comment", { text, audience }, text, "Commented.");
  }

  // What is said about the task in hand, which stays there: a `POST` of `fields` to the task's `kind`. `text` is shown
  // again should it come too late, `said` tells that it is done.
  remark(kind, fields, text, said) {
    const task = this.current;
    if (task === null || task.lost) return;
    this.outbox.add(this.entry(task, kind, text, { lease: task.lease, ...fields }));
    task.remarks = [...(task.remarks ?? []), said];
    this.save();
    this.say(said, { andTask: false });
  }

  // `text` is what is shown again, should the server not take it.
  entry(task, kind, text, body) {
    this.entryCount = (this.entryCount ?? 0) + 1;
    return {
      id: `${Date.now()}.${String(this.entryCount).padStart(6, "0")}.${task.task_id}.${task.lease}`,
      kind,
      text,
      body,
      path: taskPath(task.task_id, kind),
      task_id: task.task_id,
      lease: task.lease,
      item_id: task.item_id,
      project: this.project.project,
      excerpt: task.sensitive ? "" : task.content.slice(0, 80), // shown again without being asked for
    };
  }

  sent(entry, answer) {
    const lesson = lessonOf(entry, answer);
    if (lesson !== null) this.lessons = [...this.lessons, lesson];
    this.refreshStatusSoon();
    this.onChange();
  }

  // The lesson on the screen was read.
  learned() {
    this.lessons = this.lessons.slice(1);
    this.onChange();
  }

  refused(entry, error) {
    const past = this.history.find((one) => one.id === entry.id);
    this.history = this.history.filter((one) => one !== past);
    this.save();
    if (entry.kind === "decision") this.refusedDecision(entry, past, error);
    else if (entry.kind !== "skip") this.keepText(entry, `was not taken: ${error.message}.`);
    this.onChange();
  }

  refusedDecision(entry, past, error) {
    if (past !== undefined) this.decidedToday = Math.max(0, this.decidedToday - 1);
    if (error.code === "invalid_label") this.notify("kept", `Your answer “${entry.text}” ${this.askAgain(past, error)}`, entry);
    else this.keepText(entry, this.keepLate(entry, error));
  }

  keepText(entry, why) {
    keep(this.account.name, entry, why);
    const what = entry.kind === "decision" ? "answer" : entry.kind.replace("-", " ");
    this.notify("kept", `Your ${what} “${entry.text}” ${why} It is kept on the page My work.`, entry);
  }

  // The labels changed under the task, which is still held: it comes again, behind the one that is being read.
  askAgain(past, error) {
    this.onOutdated();
    if (past !== undefined) {
      this.tasks.splice(1, 0, past.task);
      this.phase = "working";
      this.save();
    }
    return `was not taken: ${error.message}. The task comes again, with the present labels.`;
  }

  keepLate(entry, error) {
    this.late.set(entry.item_id, entry.text); // the task may be back already, or on its way
    for (const task of this.tasks) this.markLate(task);
    if (error.code !== "lease_lost") return `was not taken: ${error.message}.`;
    return "came after your hold on the task had ended, so it was not counted: somebody else may have the task now. It is marked on its button should the task come back to you.";
  }

  // Takes the last answer back and shows its task again. A skip only comes back as long as it has not been sent.
  async undo() {
    const past = this.history.at(-1);
    if (past === undefined || this.undoing) return this.say("There is nothing to undo.");
    this.undoing = true;
    try {
      const lease = await this.takeBack(past);
      if (lease !== null) this.tookBack(past, lease);
      else this.say("A skipped task cannot be taken back once it was sent.");
    } catch (error) {
      this.failedToUndo(past, error);
    } finally {
      this.undoing = false;
      this.settle();
    }
  }

  async takeBack(past) {
    if (await this.outbox.withdraw(past.id)) return {};
    if (past.kind === "skip") return null;
    const { lease, lease_until } = await call("POST", taskPath(past.task.task_id, "undo"));
    return { lease, lease_until };
  }

  tookBack(past, lease) {
    this.history = this.history.filter((one) => one !== past);
    if (past.kind === "decision") {
      this.decidedToday = Math.max(0, this.decidedToday - 1);
      this.paceStamps.pop();
    }
    this.tasks.unshift({ ...past.task, ...lease, undone: past.kind === "decision" ? past.label : null });
    this.save();
    this.say(`Took back ${past.kind === "skip" ? "the skip" : past.label}. The task is here again.`);
  }

  failedToUndo(past, error) {
    if (error.status === 401) return this.onSignedOut();
    if (error.mayPass) {
      this.link.failed(error);
      return this.notify("trouble", "The last answer was sent, and cannot be taken back before the connection is here again.");
    }
    this.history = this.history.filter((one) => one !== past);
    this.save();
    return this.notify("trouble", `It is too late to take “${past.label}” back: it has left already.`);
  }

  // Leaves a task whose hold ended while it was shown.
  next() {
    if (!this.current?.lost) return;
    this.tasks.shift();
    this.save();
    this.fill();
  }

  // What was answered and waits to be sent is held too.
  async beat() {
    const { project } = this.project;
    const unsent = this.outbox.entries.filter((entry) => entry.kind === "decision" && entry.project === project);
    await this.holds.beat([...this.tasks.filter((task) => !task.lost), ...unsent]);
  }

  beatWhenDue() {
    if (this.holds.fellIdle()) return void this.putBack(this.tasks.slice(1));
    if (this.holds.isDue && !this.link.down && this.tasks.length + this.unsent > 0) this.beat();
    return undefined;
  }

  async comeBack() {
    await this.beat();
    await this.fill();
  }

  // A task waiting out of sight just goes; the one being read stays, marked, until the person moves on.
  lose(task) {
    if (!this.tasks.includes(task)) return;
    if (task === this.current && this.phase === "working") task.lost = true;
    else this.tasks = this.tasks.filter((one) => one !== task);
    this.save();
    this.fill();
  }

  // Returns whether the server answered.
  async refreshStatus() {
    try {
      this.status = await call("GET", `/v1/projects/${segment(this.project.project)}/status`);
      this.reached();
      this.onChange();
      return true;
    } catch (error) {
      this.failed(error);
      return !error.mayPass;
    }
  }

  refreshStatusSoon() {
    if (this.statusSoon) return;
    this.statusSoon = true;
    this.after(1500, () => {
      this.statusSoon = false;
      this.refreshStatus();
    });
  }

  notify(kind, text, entry = null) {
    this.noticeCount += 1;
    const others = this.notices.filter((notice) => notice.text !== text);
    this.notices = [...others, { id: this.noticeCount, kind, text, entry }].slice(-NOTICES);
    this.onChange();
  }

  dismiss(id) {
    this.notices = this.notices.filter((notice) => notice.id !== id);
    this.onChange();
  }

  // Puts away what stands between the person and the next task.
  goOn() {
    this.notices = [];
    this.next();
    this.link.tryNow();
    this.onChange();
  }

  // What a screen reader is to say, with the text of the next task unless that is the one it said before.
  say(text, { andTask = true } = {}) {
    this.said = text;
    this.saysTask = andTask;
    this.onChange();
  }

  save() {
    write(sessionStorage, this.heldKey, this.tasks);
    write(sessionStorage, this.historyKey, this.history);
  }

  hear(name, listener) {
    this.heard = [...(this.heard ?? []), [name, listener]];
    addEventListener(name, listener);
  }

  after(delay, work) {
    if (this.closed) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (!this.closed) work();
    }, delay);
    this.timers.add(timer);
  }

  every(delay, work) {
    this.after(delay, () => {
      work();
      this.every(delay, work);
    });
  }
}
