// The colour theme: the system's unless the person chose one.
import { useState } from "./ui.js";
import { forget } from "./storage.js";

const ORDER = ["system", "light", "dark"];
const KEY = "labelmill.theme";

export function useTheme() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? "system");
  const advance = () => {
    const next = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    apply(next);
    setTheme(next);
  };
  return [theme, advance];
}

function apply(theme) {
  if (theme === "system") {
    delete document.documentElement.dataset.theme;
    forget(localStorage, KEY);
  } else {
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Storage is closed: the choice lasts until the next load.
    }
  }
  dispatchEvent(new Event("labelmill:theme"));
}
