// Small JSON values in the browser's storage. Where storage is closed or full, memory serves until the tab closes.

const memory = new Map();

export function read(area, key, fallback) {
  try {
    const text = area.getItem(key);
    return text === null ? (memory.get(key) ?? fallback) : JSON.parse(text);
  } catch {
    return memory.get(key) ?? fallback;
  }
}

export function write(area, key, value) {
  try {
    area.setItem(key, JSON.stringify(value));
    memory.delete(key);
  } catch {
    memory.set(key, value);
    drop(area, key);
  }
}

function drop(area, key) {
  try {
    area.removeItem(key);
  } catch {
    // Closed to us: it holds nothing of ours.
  }
}

export function forget(area, prefix) {
  for (const key of [...memory.keys()]) if (key.startsWith(prefix)) memory.delete(key);
  try {
    for (const key of Object.keys(area)) if (key.startsWith(prefix)) area.removeItem(key);
  } catch {
    // Nothing was stored, so nothing is left.
  }
}
