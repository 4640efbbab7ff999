// The bar at the top of every page: the pages there are, the project, and the account's menu.
import { Fragment, html, useEffect, useState } from "./ui.js";
import { rolesInWords } from "./forms.js";
import { Icon } from "./icons.js";
import { Brand } from "./shell.js";
import { useTheme } from "./theme.js";

// Name, address and title of each page, and the roles that see it (none means everybody), in two groups.
const GROUPS = [
  ["Your work", [
    ["review", "/", "Review", ["reviewer"]],
    ["work", "/work", "My work", []],
    ["me", "/me", "My accuracy and pay", ["reviewer"]],
    ["guideline", "/guideline", "Guideline", []],
  ]],
  ["Overview", [
    ["dashboard", "/dashboard", "Dashboard", []],
    ["queue", "/queue", "Queue", ["manager"]],
    ["item", "/item", "Items", ["manager"]],
    ["quality", "/quality", "Quality", ["manager"]],
    ["people", "/people", "People", ["manager"]],
  ]],
];

export function TopBar({ page, session, children }) {
  const { account, problem } = session;
  const groups = shownTo(account);
  const wide = useMedia(groups.flatMap(([, pages]) => pages).length > 6 ? "(min-width: 80rem)" : "(min-width: 62rem)");
  return html`<header class=${wide ? "bar" : "bar narrow"}>
    <${Brand} />
    ${!wide && html`<${PagesButton} page=${page} groups=${groups} />`}
    <nav id="pages" aria-label="Pages" popover=${wide ? undefined : "auto"} class=${wide ? undefined : "menu"}>
      ${groups.map(([title, pages]) => html`<${Fragment} key=${title}>
        ${!wide && html`<p class="menu-title">${title}</p>`}
        <ul aria-label=${title}>
          ${pages.map(([name, path, words]) => html`<li key=${name}><a href=${path + search()}
            aria-current=${page === name ? "page" : undefined}>${words}</a></li>`)}
        </ul>
      </${Fragment}>`)}
    </nav>
    <div class="bar-tools">
      ${children}
      ${account && html`<${Account} account=${account} page=${page} onLeave=${session.leave} />`}
    </div>
    <p class="problem" role="alert">${problem}</p>
  </header>`;
}


// Of what the address says, only the project is meant for other pages too.
function search() {
  const project = new URLSearchParams(location.search).get("project");
  return project === null ? "" : `?${new URLSearchParams({ project })}`;
}

function shownTo(account) {
  const held = [...(account?.roles ?? []), ...Object.values(account?.memberships ?? {}).flat()];
  const may = ([, , , roles]) => roles.length === 0 || held.includes("admin") || roles.some((role) => held.includes(role));
  return GROUPS.map(([title, pages]) => [title, pages.filter(may)]);
}

function PagesButton({ page, groups }) {
  const here = groups.flatMap(([, pages]) => pages).find(([name]) => name === page);
  return html`<button class="quiet pages-button" popovertarget="pages">
    <${Icon} name="menu" /><span class="visually-hidden">Pages, now: </span><span>${here ? here[2] : "Pages"}</span>
  </button>`;
}

function Account({ account, page, onLeave }) {
  const roles = [...new Set([...account.roles, ...Object.values(account.memberships).flat()])];
  return html`<button class="quiet who" popovertarget="account-menu"><${Icon} name="person" /><span>${account.name}</span></button>
    <div id="account-menu" class="menu" popover="auto">
      <p class="menu-title"><b>${account.name}</b>${roles.length > 0 ? rolesInWords(roles) : "No role yet"}</p>
      <a href=${`/account${search()}`} aria-current=${page === "account" ? "page" : undefined}>Your account</a>
      <${ThemeButton} />
      <button class="quiet" onClick=${onLeave}>Sign out</button>
    </div>`;
}

function ThemeButton() {
  const [theme, advance] = useTheme();
  return html`<button class="quiet" data-act="theme" onClick=${advance}>
    Theme: ${theme}<${Icon} name=${theme} />
  </button>`;
}

export function ProjectChooser({ projects, project, onChoose }) {
  if (!projects?.length) return null;
  return html`<label class="chooser">
    <span class="visually-hidden">Project</span>
    <select value=${project?.project ?? ""} onChange=${(event) => onChoose(event.target.value)}>
      ${projects.map((one) => html`<option key=${one.project} value=${one.project}>${one.title ?? one.project}</option>`)}
    </select>
  </label>`;
}

// Whether the window fits `query`, from the first drawing on.
function useMedia(query) {
  const [fits, setFits] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const look = () => setFits(list.matches);
    look();
    list.addEventListener("change", look);
    return () => list.removeEventListener("change", look);
  }, [query]);
  return fits;
}
