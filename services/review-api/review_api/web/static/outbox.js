// What was said and not yet confirmed: answers, skips, flags, comments. Each is written down before it is sent, and
// leaves only once the server has said yes or no: neither a lost connection nor a closed tab loses one.
//
// Each has a key of its own in the browser's storage: tabs that add and remove at the same time would
// overwrite each other's changes to one list. Account names hold no slash.
import { call } from "./http.js";
import { keys, read, remove, write } from "./storage.js";

const PREFIX = "labelmill.outbox/";

// How many of them wait in this browser, by the account that they are from.
export function waitingAnswers() {
  const counts = new Map();
  for (const key of keys(localStorage, PREFIX)) {
    const [user] = key.slice(PREFIX.length).split("/");
    counts.set(user, (counts.get(user) ?? 0) + 1);
  }
  return counts;
}

export class Outbox {
  constructor({ user, link, onSent, onRefused, onSignedOut }) {
    this.prefix = `${PREFIX}${user}/`;
    Object.assign(this, { link, onSent, onRefused, onSignedOut });
    this.flushing = null;
  }

  // In the order in which they were given: their ids begin with the time. Another tab may remove one meanwhile.
  get entries() {
    const found = keys(localStorage, this.prefix).sort();
    return found.map((key) => read(localStorage, key, null)).filter((entry) => entry !== null);
  }

  has(id) {
    return read(localStorage, this.prefix + id, null) !== null;
  }

  // While the connection is down, a retry sends it.
  add(entry) {
    write(localStorage, this.prefix + entry.id, entry);
    if (!this.link.down) this.flush();
  }

  // Takes one back that has not left. One that is on its way, from whichever tab, is waited for: false then.
  async withdraw(id) {
    if (!navigator.locks) await this.flushing;
    return this.alone(() => {
      const waits = this.has(id);
      this.remove(id);
      return waits;
    });
  }

  remove(id) {
    remove(localStorage, this.prefix + id);
  }

  flush() {
    this.flushing ??= this.alone(() => this.sendAll()).then((emptied) => {
      this.flushing = null;
      if (emptied && this.entries.length > 0) return this.flush(); // one came while the lock was given back
    });
    return this.flushing;
  }

  // Tabs of one person share the outbox: only one of them sends at a time.
  async alone(work) {
    return navigator.locks ? navigator.locks.request(this.prefix, work) : work();
  }

  async sendAll() {
    for (let entry = this.entries[0]; entry !== undefined; entry = this.entries[0]) {
      if (!(await this.sendOne(entry))) return false;
    }
    return true;
  }

  async sendOne(entry) {
    try {
      const answer = await call("POST", entry.path, entry.body);
      this.remove(entry.id);
      this.link.worked();
      this.onSent(entry, answer);
    } catch (error) {
      if (error.mayPass) this.link.failed(error);
      else if (error.status === 401) this.onSignedOut();
      else this.refuse(entry, error);
      return !error.mayPass && error.status !== 401;
    }
    return true;
  }

  // Whoever hears of it writes down what is to be kept before the entry goes.
  refuse(entry, error) {
    this.onRefused(entry, error);
    this.remove(entry.id);
    this.link.worked();
  }
}
