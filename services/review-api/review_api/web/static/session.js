// Who is signed in, and the projects they may choose from.
import { useCallback, useEffect, useRef, useState } from "./ui.js";
import { call, me, segment, signOut } from "./http.js";
import { forget, read, write } from "./storage.js";

const LAST_PROJECT = "labelmill.project";
const LEFT = "labelmill.left"; // written when somebody signs out: tells the other tabs
// What this tab knows of the person and the project, for a reload without a connection; no secret.
const SEEN = "labelmill.held.seen.";

// `account` is undefined until known and null when nobody is signed in.
export function useSession() {
  const [account, setAccount] = useState(undefined);
  const [unreachable, setUnreachable] = useState(false);
  const [problem, setProblem] = useState("");
  const expired = useCallback(() => {
    forget(sessionStorage, SEEN);
    setAccount(null);
  }, []);
  const load = useCallback(async () => {
    try {
      setAccount(await me());
      setUnreachable(false);
    } catch (error) {
      if (!error.mayPass) return expired();
      setUnreachable(true);
      setAccount((known) => known ?? read(sessionStorage, `${SEEN}account`, undefined));
    }
  }, []);
  useEffect(() => {
    load();
  }, []);
  useEffect(() => {
    if (account) write(sessionStorage, `${SEEN}account`, { ...account, csrf_token: null });
  }, [account]);
  const leftElsewhere = useSignedOutElsewhere(() => setAccount(null));
  useEffect(() => {
    if (account === null && leftElsewhere.current) forget(sessionStorage, "labelmill.held.");
    leftElsewhere.current = false;
  }, [account]);
  useEffect(() => {
    if (!unreachable) return undefined;
    const timer = setInterval(load, 3000);
    return () => clearInterval(timer);
  }, [unreachable]);
  const leave = useCallback(async () => {
    await lastThings();
    try {
      await signOut();
    } catch (error) {
      if (error.status !== 401) return setProblem("You are still signed in: the server does not answer.");
    }
    forget(sessionStorage, "labelmill.held.");
    write(localStorage, LEFT, Date.now());
    setProblem("");
    return setAccount(null);
  }, []);
  return { account, setAccount, unreachable, retry: load, leave, problem, expired };
}

// A session that ran out leaves the tasks at hand for later; whoever signs out leaves nothing in any tab.
function useSignedOutElsewhere(onLeft) {
  const left = useRef(false);
  useEffect(() => {
    const hear = (event) => {
      if (event.key !== LEFT) return;
      left.current = true;
      onLeft();
    };
    addEventListener("storage", hear);
    return () => removeEventListener("storage", hear);
  }, []);
  return left;
}

// Before the session ends, the page may have something to give back: it adds promises to the event's detail.
function lastThings() {
  const leaving = new CustomEvent("labelmill:leaving", { detail: [] });
  dispatchEvent(leaving);
  return Promise.allSettled(leaving.detail);
}

// `projects` is undefined until known; `project` is the chosen one with its whole spec, or null.
export function useProjects(account, onExpired) {
  const [projects, setProjects] = useState(undefined);
  const [name, setName] = useState(null);
  const [project, setProject] = useState(null);
  const know = (found) => {
    if (found === undefined) return;
    setProjects(found);
    setName((chosen) => chosen ?? firstChoice(found));
  };
  const load = useCallback(async () => {
    try {
      const found = (await call("GET", "/v1/projects")).projects;
      write(sessionStorage, `${SEEN}projects`, found);
      know(found);
    } catch (error) {
      if (error.status === 401) onExpired();
      else if (error.mayPass) know(read(sessionStorage, `${SEEN}projects`, undefined));
    }
  }, []);
  useRepeated(load, 15_000, Boolean(account) && !projects?.length);
  const loadOne = useCallback(async () => {
    try {
      const found = await call("GET", `/v1/projects/${segment(name)}`);
      write(sessionStorage, `${SEEN}project.${name}`, found);
      setProject(found);
    } catch (error) {
      if (error.status === 401) onExpired();
      else if (error.mayPass) setProject((known) => (known?.project === name ? known : read(sessionStorage, `${SEEN}project.${name}`, null)));
    }
  }, [name]);
  useRepeated(loadOne, 60_000, Boolean(account) && name !== null);
  const choose = useCallback((next) => {
    write(localStorage, LAST_PROJECT, next);
    const url = new URL(location.href);
    url.searchParams.set("project", next);
    history.replaceState(null, "", url);
    setName(next);
  }, []);
  const present = project?.project === name ? project : null;
  return { projects, project: present, choose, reload: loadOne };
}

// What managers may see of the chosen project, fetched again every so often: null before the first answer, and for
// those who may not see it. `part` is what follows the project in the address.
export function useForManagers(project, part, everyMs) {
  const [answer, setAnswer] = useState(null);
  const [refused, setRefused] = useState(false);
  const load = useCallback(async () => {
    try {
      setAnswer(await call("GET", `/v1/projects/${segment(project.project)}/${part}`));
    } catch (error) {
      if (error.status !== 403) return; // the figures beside it say that they are old, or ask to sign in
      setAnswer(null);
      setRefused(true);
    }
  }, [project.project]);
  useRepeated(load, everyMs, !refused);
  return answer;
}

export function useRepeated(work, everyMs, active) {
  useEffect(() => {
    if (!active) return undefined;
    work();
    const timer = setInterval(work, everyMs);
    return () => clearInterval(timer);
  }, [work, everyMs, active]);
}

function firstChoice(projects) {
  const names = projects.map((project) => project.project);
  const wanted = [new URL(location.href).searchParams.get("project"), read(localStorage, LAST_PROJECT, null)];
  return wanted.find((name) => names.includes(name)) ?? names[0] ?? null;
}

// Whether an account manages a project, or reviews in it: by a role that holds everywhere, or by one in the project.
export function mayManage(account, project) {
  return holds(account, project, "manager");
}

export function mayReview(account, project) {
  return holds(account, project, "reviewer");
}

function holds(account, project, role) {
  const held = [...account.roles, ...(account.memberships?.[project] ?? [])];
  return held.includes(role) || held.includes("admin");
}
