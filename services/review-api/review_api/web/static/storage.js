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

export function remove(area, key) {
  memory.delete(key);
  drop(area, key);
}

export function keys(area, prefix) {
  return [...new Set([...stored(area), ...memory.keys()])].filter((key) => key.startsWith(prefix));
}

export function forget(area, prefix) {
  for (const key of keys(area, prefix)) remove(area, key);
}

function stored(area) {
  try {
    return Object.keys(area);
  } catch {
    return []; // closed to us: it holds nothing of ours
  }
}

function drop(area, key) {
  try {
    area.removeItem(key);
  } catch {
    // Closed to us: it holds nothing of ours.
  }
}
