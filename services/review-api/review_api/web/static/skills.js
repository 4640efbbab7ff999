// Who has which skill: managers grant skills and take them away. The project's file says which tasks take one.
import { html, useRef, useState } from "./ui.js";
import { Problem, useAction, useLoaded } from "./forms.js";
import { call, segment } from "./http.js";
import { Icon } from "./icons.js";

const EXPERT = "expert";

export function Skills({ project, path, members, onExpired }) {
  const [found, load] = useLoaded(path, onExpired); // `skills` are all that there are to grant, `grants` say who has which
  const [act, problem] = useAction(load, onExpired);
  const [said, setSaid] = useState("");
  const form = useRef(null);
  const grant = async (event) => {
    event.preventDefault();
    const given = new FormData(form.current);
    const [name, skill] = [given.get("name").trim(), given.get("skill")];
    setSaid("");
    const done = await act(() => call("PUT", `${path}/${segment(skill)}/${segment(name)}`));
    if (!done) return;
    form.current.elements.name.value = "";
    form.current.elements.name.focus();
    setSaid(done.changed ? `${name} has ${skill} now.` : `${name} had ${skill} already.`);
  };
  // The button that was pressed goes with its row: the focus stays in the section, where the next name is written.
  const revoke = async ({ reviewer, skill }) => {
    setSaid("");
    const done = await act(() => call("DELETE", `${path}/${segment(skill)}/${segment(reviewer)}`));
    if (!done) return;
    form.current?.elements.name.focus();
    setSaid(`${reviewer} does not have ${skill} any more. Answers to gold do not give it back.`);
  };
  return html`<section class="card people-part" aria-labelledby="skills-heading">
    <header><h2 id="skills-heading">Skills</h2>
      <p class="fine">Who has a skill may claim the tasks that take it, and nobody else may. The project's file names
        skills (<code>review.skills</code>); gold tasks of a skill, answered well, grant it too.</p></header>
    ${found && html`
      <ul class="people-rows" aria-label="Skills">
        ${namesOf(found).map((skill) => html`<${Skill} key=${skill} name=${skill} about=${aboutSkill(skill, project.spec.review)}
          grants=${found.grants.filter((one) => one.skill === skill)} onRevoke=${revoke} />`)}
      </ul>
      <form class="people-form" ref=${form} onSubmit=${grant}>
        <label>Who<input name="name" required maxlength="64" autocomplete="off" autocapitalize="none" spellcheck=${false} list="skilled" /></label>
        <datalist id="skilled">${members.map(({ name }) => html`<option key=${name} value=${name} />`)}</datalist>
        <label>Skill<select name="skill">${found.skills.map((skill) => html`<option key=${skill} value=${skill}>${skill}</option>`)}</select></label>
        <button>Grant</button>
      </form>`}
    <p class="people-done" role="status">${said}</p>
    <${Problem} text=${problem} />
  </section>`;
}

// Somebody may still have a skill that the file no longer names.
function namesOf({ skills, grants }) {
  return [...new Set([...skills, ...grants.map(({ skill }) => skill)])];
}

function aboutSkill(name, review) {
  if (name === EXPERT) return review?.overlap?.adjudicate ? "decides where people differ" : "for tasks that only experts judge";
  const skill = review?.skills?.find((one) => one.name === name);
  if (skill === undefined) return "no longer in the project's file";
  const takes = [
    skill.labels?.length > 0 && `the machine says ${either(skill.labels)}`,
    ...Object.entries(skill.metadata ?? {}).map(([field, values]) => `${field} is ${either(values)}`),
  ].filter(Boolean);
  return takes.length > 0 ? `for tasks where ${takes.join(", or ")}` : "no task takes it";
}

function either(words) {
  return new Intl.ListFormat("en-GB", { type: "disjunction" }).format(words);
}

function Skill({ name, about, grants, onRevoke }) {
  return html`<li class="people-row">
    <div class="people-who"><strong>${name}</strong><span class="fine">${about}</span></div>
    ${grants.length === 0
      ? html`<span class="fine">Nobody has it</span>`
      : html`<ul class="holders" aria-label=${`Who has ${name}`}>${grants.map((grant) => html`<li key=${grant.reviewer} class="chip holder">
          <span>${grant.reviewer}${grant.source === "gold" && html` <span class="fine">by gold</span>`}</span>
          <button class="quiet" aria-label=${`Take ${name} from ${grant.reviewer}`} title="Take it away" onClick=${() => onRevoke(grant)}>
            <${Icon} name="close" /></button>
        </li>`)}</ul>`}
  </li>`;
}
