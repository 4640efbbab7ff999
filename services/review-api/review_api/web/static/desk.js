// The reviewer's desk: the tasks at hand, what was answered, and everything that keeps the two in step
// with the server. It draws nothing; the page subscribes to it.
import { call, segment } from "./http.js";
import { Link } from "./link.js";
import { Outbox } from "./outbox.js";
import { read, write } from "./storage.js";

const HELD = 2; // the task shown and the one after it
const HISTORY = 20;
const NOTICES = 3;
const PACE_WINDOW_MS = 5 * 60_000;
const STATUS_EVERY_MS = 10_000;
const EMPTY_POLL_MS = 4000;
const BEAT_MS = { least: 1000, most: 30_000 };

export class Desk {
  constructor({ account, project, onChange, onSignedOut, onOutdated }) {
    Object.assign(this, { account, project, onChange, onSignedOut, onOutdated });
    this.heldKey = `labelmill.held.${account.name}.${project.project}`;
    this.link = new Link(() => this.resume(), onChange);
    this.outbox = new Outbox({
      user: account.name,
      link: this.link,
      onSent: () => this.sent(),
      onRefused: (entry, error) => this.refused(entry, error),
      onSignedOut,
    });
    this.tasks = read(sessionStorage, this.heldKey, []);
    this.history = [];
    this.late = new Map(); // item to an answer that came too late
    this.notices = [];
    this.noticeCount = 0;
    this.status = null;
    this.phase = "loading"; // loading | working | empty | forbidden
    this.decidedToday = account.decisions_today ?? 0;
    this.paceStamps = [];
    this.said = "";
    this.timers = new Set();
    this.beatMs = BEAT_MS.most; // learnt from the leases
    this.lastBeatAt = Date.now();
    this.closed = false;
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
    if (this.tasks.length > 0) await this.beat();
    this.every(STATUS_EVERY_MS, () => this.link.down || this.refreshStatus());
    this.every(BEAT_MS.least, () => this.beatWhenDue());
    this.refreshStatus();
    await this.resume();
  }

  close() {
    this.closed = true;
    this.link.close();
    for (const timer of this.timers) clearTimeout(timer);
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
    const missing = HELD - this.tasks.filter((task) => !task.lost).length;
    if (missing <= 0 || this.filling || this.closed) return this.settle();
    this.filling = true;
    try {
      const path = `/v1/projects/${segment(this.project.project)}/tasks/claim`;
      const { tasks, serverNow } = await call("POST", path, { count: missing });
      this.take(tasks, serverNow);
      this.reached();
    } catch (error) {
      this.failedToFill(error);
    } finally {
      this.filling = false;
    }
    this.settle();
  }

  take(tasks, serverNow) {
    if (this.closed) return;
    for (const task of tasks) {
      this.learnBeat(task.lease_until - serverNow);
      this.markLate(task);
      const held = this.tasks.find((one) => one.task_id === task.task_id);
      if (held === undefined) this.tasks.push(task);
      else Object.assign(held, { lease: task.lease, lease_until: task.lease_until, lost: false }); // lost, and got back
    }
    this.phase = this.tasks.length > 0 ? "working" : "empty";
    this.save();
  }

  markLate(task) {
    task.kept ??= this.late.get(task.item_id) ?? null;
  }

  failedToFill(error) {
    if (error.status === 401) return this.onSignedOut();
    if (error.status === 403) this.phase = "forbidden";
    else if (error.mayPass) this.link.failed(error);
    else this.notify("trouble", error.message);
  }

  // Draws, and looks again later when there was nothing to do.
  settle() {
    if (this.tasks.length > 0 && this.phase !== "forbidden") this.phase = "working";
    if (this.phase === "empty" && !this.polling) {
      this.polling = true;
      this.after(EMPTY_POLL_MS, () => {
        this.polling = false;
        if (!this.link.down) this.fill();
      });
    }
    this.onChange();
  }

  decide(label) {
    const task = this.current;
    if (task === null || task.lost) return;
    this.answer(task, { kind: "decision", label, body: { lease: task.lease, label } });
    this.paceStamps.push(Date.now());
    this.decidedToday += 1;
    this.say(`Labelled ${label}.`);
  }

  skip(reason) {
    const task = this.current;
    if (task === null || task.lost) return;
    const body = reason ? { lease: task.lease, reason } : { lease: task.lease };
    this.answer(task, { kind: "skip", body });
    this.say("Skipped.");
  }

  answer(task, { kind, label, body }) {
    const entry = {
      id: `${Date.now()}.${task.task_id}.${task.lease}`,
      kind,
      label,
      body,
      path: `/v1/tasks/${segment(String(task.task_id))}/${kind}`,
      item_id: task.item_id,
      project: this.project.project,
      excerpt: task.content.slice(0, 80),
    };
    this.tasks.shift();
    this.phase = this.tasks.length > 0 ? "working" : "loading";
    this.history = [...this.history, { task, kind, label, id: entry.id }].slice(-HISTORY);
    this.save();
    this.onChange();
    this.outbox.add(entry);
    this.fill();
  }

  sent() {
    this.refreshStatusSoon();
    this.onChange();
  }

  refused(entry, error) {
    const past = this.history.find((one) => one.id === entry.id);
    this.history = this.history.filter((one) => one !== past);
    if (entry.kind === "decision") {
      this.decidedToday = Math.max(0, this.decidedToday - 1);
      const why = error.code === "invalid_label" ? this.askAgain(past, error) : this.keepLate(entry, error);
      this.notify("kept", `Your answer “${entry.label}” ${why}`, entry);
    }
    this.onChange();
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
    this.late.set(entry.item_id, entry.label); // the task may be back already, or on its way
    for (const task of this.tasks) this.markLate(task);
    if (error.code !== "lease_lost") return `was not taken: ${error.message}.`;
    return "came after your hold on the task had ended, so it was not counted: somebody else may have the task now. It is kept, and marked on its button should the task come back to you.";
  }

  // Takes the last answer back and shows its task again.
  async undo() {
    const past = this.history.at(-1);
    if (past === undefined || this.undoing) return this.say("There is nothing to undo.");
    if (past.kind === "skip") return this.say("A skipped task cannot be taken back.");
    this.undoing = true;
    try {
      const lease = await this.takeBack(past);
      this.history = this.history.filter((one) => one !== past);
      this.decidedToday = Math.max(0, this.decidedToday - 1);
      this.paceStamps.pop();
      this.tasks.unshift({ ...past.task, ...lease, undone: past.label });
      this.save();
      this.say(`Took back ${past.label}. The task is here again.`);
    } catch (error) {
      this.failedToUndo(past, error);
    } finally {
      this.undoing = false;
      this.settle();
    }
  }

  async takeBack(past) {
    if (this.outbox.withdraw(past.id)) return {};
    await this.outbox.flush(); // it was on its way
    if (this.outbox.withdraw(past.id)) return {};
    const path = `/v1/tasks/${segment(String(past.task.task_id))}/undo`;
    const { lease, lease_until } = await call("POST", path);
    return { lease, lease_until };
  }

  failedToUndo(past, error) {
    if (error.status === 401) return this.onSignedOut();
    if (error.mayPass) {
      this.link.failed(error);
      return this.notify("trouble", "The last answer cannot be taken back before the connection is here again.");
    }
    this.history = this.history.filter((one) => one !== past);
    this.notify("trouble", `It is too late to take “${past.label}” back: it has left already.`);
  }

  // Leaves a task whose hold ended while it was shown.
  next() {
    if (!this.current?.lost) return;
    this.tasks.shift();
    this.save();
    this.fill();
  }

  async beat() {
    this.lastBeatAt = Date.now();
    await Promise.all(this.tasks.filter((task) => !task.lost).map((task) => this.beatOne(task)));
  }

  async beatOne(task) {
    const path = `/v1/tasks/${segment(String(task.task_id))}/heartbeat`;
    try {
      const answer = await call("POST", path, { lease: task.lease });
      this.learnBeat(answer.lease_until - answer.serverNow);
    } catch (error) {
      if (error.status === 409 || error.status === 404) this.lose(task);
      else if (error.status === 401) this.onSignedOut();
      else if (error.mayPass) this.link.failed(error);
    }
  }

  // A task waiting out of sight just goes; the one being read stays, marked, until the person moves on.
  lose(task) {
    if (task === this.current && this.phase === "working") task.lost = true;
    else this.tasks = this.tasks.filter((one) => one !== task);
    this.save();
    this.fill();
  }

  learnBeat(leaseMs) {
    const third = leaseMs / 3;
    if (Number.isFinite(third)) this.beatMs = Math.min(BEAT_MS.most, Math.max(BEAT_MS.least, third));
  }

  beatWhenDue() {
    if (Date.now() - this.lastBeatAt >= this.beatMs && this.tasks.length > 0) this.beat();
  }

  // Returns whether the server answered.
  async refreshStatus() {
    try {
      this.status = await call("GET", `/v1/projects/${segment(this.project.project)}/status`);
      this.reached();
      this.onChange();
      return true;
    } catch (error) {
      if (error.status === 401) this.onSignedOut();
      else if (error.mayPass) this.link.failed(error);
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

  say(text) {
    this.said = text;
    this.onChange();
  }

  save() {
    write(sessionStorage, this.heldKey, this.tasks);
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
