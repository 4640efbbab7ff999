// What every page is: the sign-in, the bar with the project chosen, and the content for that project.
import { html, render, useEffect, useRef } from "./ui.js";
import { ProjectChooser, TopBar } from "./bar.js";
import { openOffline } from "./offline.js";
import { mayManage, mayReview, useProjects, useSession } from "./session.js";
import { NoProject, SignIn, Unreachable } from "./shell.js";

// Draws `Content` with `account`, `session`, `project` (with its whole spec), `onExpired` (the sign-in ended) and
// `onOutdated` (the project changed). `waiting` gives the answers kept in this browser, for the sign-in to tell.
export function mount(name, Content, { waiting } = {}) {
  openOffline();
  render(html`<${Page} name=${name} content=${Content} waiting=${waiting} />`, document.getElementById("app"));
}

function Page({ name, content: Content, waiting }) {
  const session = useSession();
  const { account } = session;
  const { projects, project, choose, reload } = useProjects(account, session.expired);
  const arrived = useRef(name === "review" && justCameIn());
  const signedIn = (found) => {
    arrived.current = name === "review";
    session.setAccount(found);
  };
  const here = account && project ? project.project : null;
  const leaves = here !== null && arrived.current && managesOnly(account, here);
  useEffect(() => {
    if (leaves) location.replace(`/dashboard?${new URLSearchParams({ project: here })}`);
    else if (here !== null) arrived.current = false;
  }, [account, here, leaves]);
  if (account === null) return html`<${SignIn} onSignedIn=${signedIn} waiting=${waiting?.()} />`;
  if (account === undefined) return session.unreachable ? html`<${Unreachable} onRetry=${session.retry} />` : null;
  if (leaves) return null;
  return html`
    <${TopBar} page=${name} session=${session}>
      <${ProjectChooser} projects=${projects} project=${project} onChoose=${choose} />
    </${TopBar}>
    ${projects?.length === 0 && html`<main><${NoProject} /></main>`}
    ${project && html`<${Content} key=${project.project} account=${account} session=${session} project=${project}
      onExpired=${session.expired} onOutdated=${reload} />`}
  `;
}

// Says so once: who comes from an invitation or from their provider arrives with this in the address.
function justCameIn() {
  if (location.hash !== "#signed-in") return false;
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}

// Everybody signs in at the page Review. Who manages the project and does not review goes on to where their work is.
function managesOnly(account, project) {
  return mayManage(account, project) && !mayReview(account, project);
}
