// Answers that were given and not yet confirmed. They are written down before they are sent, and leave
// only once the server has said yes or no: neither a lost connection nor a closed tab loses one.
//
// Each has a key of its own in the browser's storage: tabs that add and remove at the same time would
// overwrite each other's changes to one list. Account names hold no slash.
import { call } from "./http.js";
import { keys, read, remove, write } from "./storage.js";

const PREFIX = "labelmill.outbox/";

// How many answers wait in this browser, by the account that gave them.
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
    this.sending = null;
  }

  // In the order in which they were given: their ids begin with the time. Another tab may remove one meanwhile.
  get entries() {
    const found = keys(localStorage, this.prefix).sort();
    return found.map((key) => read(localStorage, key, null)).filter((entry) => entry !== null);
  }

  has(id) {
    return read(localStorage, this.prefix + id, null) !== null;
  }

  add(entry) {
    write(localStorage, this.prefix + entry.id, entry);
    return this.flush();
  }

  // Takes an answer back, unless it is already on its way.
  withdraw(id) {
    if (this.sending === id || !this.has(id)) return false;
    this.remove(id);
    return true;
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
  alone(work) {
    return navigator.locks ? navigator.locks.request(this.prefix, work) : work();
  }

  async sendAll() {
    for (let entry = this.entries[0]; entry !== undefined; entry = this.entries[0]) {
      this.sending = entry.id;
      const goesOn = await this.sendOne(entry);
      this.sending = null;
      if (!goesOn) return false;
    }
    return true;
  }

  async sendOne(entry) {
    try {
      await call("POST", entry.path, entry.body);
      this.remove(entry.id);
      this.link.worked();
      this.onSent();
    } catch (error) {
      if (error.mayPass) this.link.failed(error);
      else if (error.status === 401) this.onSignedOut();
      else this.refuse(entry, error);
      return !error.mayPass && error.status !== 401;
    }
    return true;
  }

  refuse(entry, error) {
    this.remove(entry.id);
    this.link.worked();
    this.onRefused(entry, error);
  }
}
