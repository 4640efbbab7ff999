// Answers that were given and not yet confirmed. They are written down before they are sent, and leave
// only once the server has said yes or no: neither a lost connection nor a closed tab loses one.
import { call } from "./http.js";
import { read, write } from "./storage.js";

export class Outbox {
  constructor({ user, link, onSent, onRefused, onSignedOut }) {
    this.key = `labelmill.outbox.${user}`;
    Object.assign(this, { link, onSent, onRefused, onSignedOut });
    this.flushing = null;
    this.sending = null;
  }

  get entries() {
    return read(localStorage, this.key, []);
  }

  has(id) {
    return this.entries.some((entry) => entry.id === id);
  }

  add(entry) {
    write(localStorage, this.key, [...this.entries, entry]);
    return this.flush();
  }

  // Takes an answer back, unless it is already on its way.
  withdraw(id) {
    if (this.sending === id || !this.has(id)) return false;
    this.remove(id);
    return true;
  }

  remove(id) {
    write(localStorage, this.key, this.entries.filter((entry) => entry.id !== id));
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
    return navigator.locks ? navigator.locks.request(this.key, work) : work();
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
