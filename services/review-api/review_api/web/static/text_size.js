// How large the texts to read are: kept in this browser, for all pages.
import { useState } from "./ui.js";
import { write } from "./storage.js";

const SIZES = ["85", "100", "115", "130", "150", "175", "200"]; // percent; base.css has a rule for each but 100
const KEY = "labelmill.text_size";

export function useTextSize() {
  const [size, setSize] = useState(document.documentElement.dataset.size ?? "100");
  const step = (by) => {
    const next = SIZES[Math.min(SIZES.length - 1, Math.max(0, SIZES.indexOf(size) + by))];
    document.documentElement.dataset.size = next;
    write(localStorage, KEY, next);
    setSize(next);
  };
  return {
    size,
    larger: () => step(1),
    smaller: () => step(-1),
    isLargest: size === SIZES.at(-1),
    isSmallest: size === SIZES[0],
  };
}
