// Has the browser keep the pages' files, so that a page opens without a connection too.
const WORKER = "/worker.js";

// Where it is refused (a private window, storage that is closed to us), pages open with a connection only.
export function openOffline() {
  const policy = globalThis.trustedTypes?.createPolicy("labelmill-worker", { createScriptURL: () => WORKER });
  navigator.serviceWorker?.register(policy?.createScriptURL(WORKER) ?? WORKER).catch(() => {});
}
