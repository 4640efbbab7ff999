// Opens the pages without a connection: keeps their files, which hold no data. Nothing else goes through here.
const CACHE = "labelmill-{{ version }}";
const FOLDER = "/static/{{ version }}/";
const FILES = {{ files | tojson }};
const PAGES = {{ pages | tojson }};

addEventListener("install", (event) => event.waitUntil(keepAll()));
addEventListener("activate", (event) => event.waitUntil(dropOthers()));
addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate" && PAGES.includes(pathname)) event.respondWith(pageOf(request, pathname));
  else if (pathname.startsWith(FOLDER)) event.respondWith(fileOf(request));
});

async function keepAll() {
  const cache = await caches.open(CACHE);
  await cache.addAll([...PAGES, ...FILES.map((name) => FOLDER + name)]);
  await skipWaiting();
}

async function dropOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("labelmill-") && name !== CACHE).map((name) => caches.delete(name)));
  await clients.claim();
}

// The server's, as long as there is one.
async function pageOf(request, pathname) {
  const kept = () => caches.match(pathname, { cacheName: CACHE });
  try {
    const answer = await fetch(request);
    return answer.status < 500 ? answer : ((await kept()) ?? answer);
  } catch {
    return (await kept()) ?? Response.error();
  }
}

// The name of a file under its version says what is in it.
async function fileOf(request) {
  return (await caches.match(request, { cacheName: CACHE })) ?? fetch(request);
}
