// What came too late and was not taken: its text stays in this browser for the person who gave it.
import { keys, read, remove, write } from "./storage.js";

const PREFIX = "labelmill.kept/";

export function keep(user, entry, why) {
  const { id, kind, text, item_id, project, excerpt } = entry;
  write(localStorage, `${PREFIX}${user}/${id}`, { id, kind, text, item_id, project, excerpt, why, at: Date.now() });
}

// The newest first.
export function keptBy(user, project) {
  const found = keys(localStorage, `${PREFIX}${user}/`).map((key) => read(localStorage, key, null));
  return found.filter((entry) => entry?.project === project).sort((one, other) => other.at - one.at);
}

export function forgetKept(user, id) {
  remove(localStorage, `${PREFIX}${user}/${id}`);
}
