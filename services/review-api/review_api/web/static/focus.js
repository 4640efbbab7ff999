// The focus is never lost: when what had it goes away or is disabled, the main part of the page gets it.
import { useEffect, useRef } from "./ui.js";

export function useFocusKept(main) {
  const last = useRef(null);
  useEffect(() => {
    const note = (event) => (last.current = event.target);
    addEventListener("focusin", note);
    const watch = new MutationObserver(() => keep(main.current, last.current));
    watch.observe(document.getElementById("app"), { childList: true, subtree: true, attributeFilter: ["disabled"] });
    return () => {
      removeEventListener("focusin", note);
      watch.disconnect();
    };
  }, []);
}

function keep(main, last) {
  const now = document.activeElement;
  const nowhere = now === null || now === document.body || now.disabled;
  if (nowhere && last !== null && (!last.isConnected || last.disabled)) main?.focus({ preventScroll: true });
}
