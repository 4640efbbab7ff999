// The leases on the tasks at hand: kept alive while somebody is there, and given back when nobody is.
import { call, segment } from "./http.js";

const BEAT_MS = { least: 1000, most: 30_000 };
const IDLE_MS = 10 * 60_000; // nobody reads one task for so long without a key or a move of the mouse
const SIGNS_OF_LIFE = ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"];

export class Holds {
  constructor({ onLost, onError, onBack }) {
    Object.assign(this, { onLost, onError, onBack });
    this.beatMs = BEAT_MS.most; // learnt from the leases
    this.lastBeatAt = Date.now();
    this.lastSignAt = Date.now();
    this.idle = false;
    this.sign = () => this.live();
    for (const name of SIGNS_OF_LIFE) addEventListener(name, this.sign, { passive: true });
  }

  close() {
    for (const name of SIGNS_OF_LIFE) removeEventListener(name, this.sign);
  }

  learn(leaseMs) {
    const third = leaseMs / 3;
    if (Number.isFinite(third)) this.beatMs = Math.min(BEAT_MS.most, Math.max(BEAT_MS.least, third));
  }

  live() {
    this.lastSignAt = Date.now();
    if (!this.idle) return;
    this.idle = false;
    this.onBack();
  }

  // Whether nobody has been there for long. Says yes once: what follows from it is done once.
  fellIdle() {
    if (this.idle || Date.now() - this.lastSignAt < IDLE_MS) return false;
    this.idle = true;
    return true;
  }

  get isDue() {
    return !this.idle && Date.now() - this.lastBeatAt >= this.beatMs;
  }

  // `held` are tasks, or entries of the outbox: what has a `task_id` and a `lease`.
  async beat(held) {
    const active = this.lastSignAt > this.lastBeatAt; // all the server learns of what the person does here
    this.lastBeatAt = Date.now();
    await Promise.all(held.map((one) => this.beatOne(one, active)));
  }

  async beatOne(one, active) {
    try {
      const answer = await call("POST", taskPath(one.task_id, "heartbeat"), { lease: one.lease, active });
      this.learn(answer.lease_until - answer.serverNow);
    } catch (error) {
      if (error.status === 409 || error.status === 404) this.onLost(one);
      else this.onError(error);
    }
  }
}

// Gives tasks back as if they had never been handed out; goes on when the page closes. Where it fails, the leases run
// out by themselves.
export function giveBack(tasks) {
  const body = (task) => ({ lease: task.lease, unseen: true });
  return Promise.allSettled(tasks.map((task) => call("POST", taskPath(task.task_id, "skip"), body(task), { keepalive: true })));
}

export function taskPath(taskId, what) {
  return `/v1/tasks/${segment(String(taskId))}/${what}`;
}
