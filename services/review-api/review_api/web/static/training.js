// Training: tasks whose right answer is known and told after each.
import { html } from "./ui.js";
import { qualifyingPage, useOwnAccuracy } from "./accuracy.js";
import { Icon } from "./icons.js";
import { Dialog } from "./panels.js";
import { Blank } from "./shell.js";

// What the answer to a decision teaches; null if the task was an ordinary one.
export function lessonOf(entry, answer) {
  if (answer?.explanation === undefined) return null;
  const { right_label: right, explanation } = answer;
  return { id: entry.id, said: entry.body.label, right, explanation, excerpt: entry.excerpt };
}

// Where gold tasks that qualify for the skill in the address are claimed; null without one.
export function qualifying(project) {
  const skill = skillWanted();
  return skill && `/v1/projects/${encodeURIComponent(project.project)}/skills/${encodeURIComponent(skill)}/claim`;
}

// The skill in the address that the person is to qualify for; null without one.
export function skillWanted() {
  return new URL(location.href).searchParams.get("qualify");
}

// Where no gold of the skill in the address is left to answer.
export function Qualified({ project, skill }) {
  const own = useOwnAccuracy(project);
  const words = own === null ? "" : own.skills.includes(skill)
    ? "You do not have the skill yet: whether you get it shows once your last answers can no longer be taken back."
    : "Tasks that need a skill you have come among your others."; // it may also be that the skill has no gold any more
  return html`<${Blank} title=${`That was all for ${skill}`}>
    <p>${words}</p>
    <p><a href=${`/?project=${encodeURIComponent(project.project)}`}>Go on to your tasks</a></p>
  </${Blank}>`;
}

// Where nothing is left but what takes skills that the person lacks: which, and how to get them.
export function SkillsWanted({ project, skills }) {
  const own = useOwnAccuracy(project);
  return html`<ul class="skills-wanted" aria-label="Skills wanted">
    ${skills.map((skill) => html`<li key=${skill}>${skill === "expert"
      ? html`Tasks wait for an <b>expert</b>. A manager of the project says who is one.`
      : html`Tasks wait that need the skill <b>${skill}</b>. ${own?.skills.includes(skill)
        ? html`You can <a href=${qualifyingPage(project, skill)}>qualify for ${skill}</a> now.`
        : "A manager of the project grants it."}`}</li>`)}
  </ul>`;
}

export function Lesson({ lesson, onClose }) {
  const agreed = lesson.said === lesson.right;
  return html`<${Dialog} heading=${agreed ? "That is right" : "Not quite"} className="lesson" onClose=${onClose}>
    <blockquote class="lesson-text" dir="auto">${lesson.excerpt}</blockquote>
    <p class=${agreed ? "lesson-mark good" : "lesson-mark"}><${Icon} name=${agreed ? "check" : "book"} />
      <span>The right label is <strong>${String(lesson.right)}</strong>${agreed ? "." : html`; you said ${String(lesson.said)}.`}</span></p>
    ${lesson.explanation && html`<p class="lesson-why">${lesson.explanation}</p>`}
    <form method="dialog"><button class="primary wide" autofocus>Go on <kbd>Enter</kbd></button></form>
  </${Dialog}>`;
}

export function TrainingHint() {
  return html`<p class="training-hint" title="The right answer is explained after each task."><${Icon} name="book" /><span>Training</span></p>`;
}
