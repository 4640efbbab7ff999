// Administrative acts in plain words. The names are the API's; what has no words here shows by its name.

// By thing, in the order of the filter: each act with what was done, and how it names what it was done to.
const GROUPS = [
  ["Accounts", [
    ["account.saved", "Saved an account", whom],
    ["account.provisioned", "Came in by the provider"],
    ["identity.linked", "Linked an account to the provider"],
    ["password.changed", "Changed the password"],
    ["sessions.ended", "Signed out everywhere"],
    ["token.made", "Made a token", whose],
    ["token.revoked", "Revoked a token", whose],
  ]],
  ["Members and skills", [
    ["membership.set", "Gave roles in the project", to],
    ["membership.removed", "Took the roles in the project", from],
    ["invitation.made", "Made an invitation", noted],
    ["invitation.revoked", "Revoked an invitation", noted],
    ["invitation.accepted", "Accepted an invitation"],
    ["skill.granted", "Granted a skill", to],
    ["skill.revoked", "Took a skill away", from],
    ["pause.lifted", "Ended a pause", whose],
  ]],
  ["Project and guideline", [
    ["project.applied", "Applied the project's file"],
    ["guideline.published", "Published the guideline", version],
    ["campaign.planned", "Planned a campaign", number],
    ["campaign.started", "Started a campaign", number],
    ["campaign.paused", "Paused a campaign", number],
    ["campaign.resumed", "Resumed a campaign", number],
    ["campaign.cancelled", "Cancelled a campaign", number],
    ["edge_case.accepted", "Made an edge case an example", number],
    ["edge_case.closed", "Answered an edge case", number],
  ]],
  ["Tasks, gold and items", [
    ["task.released", "Took a task back", task],
    ["task.moved_to_front", "Put a task in front", task],
    ["flag.resolved", "Resolved a flag", number],
    ["gold.saved", "Saved gold"],
    ["gold.retired", "Retired gold", number],
    ["erasure.requested", "Requested an erasure", number],
    ["erasure.done", "Finished an erasure", number],
  ]],
];

const KNOWN = new Map(GROUPS.flatMap(([, acts]) => acts.map(([name, words, tell]) => [name, { words, tell }])));

// [title of the group, [[act, words]]], for a choice among them.
export const ACTS = GROUPS.map(([title, acts]) => [title, acts.map(([name, words]) => [name, words])]);

export function actWords(act) {
  return KNOWN.get(act)?.words ?? act;
}

// What the act was done to, as the words above go on: `of ada`; nothing if they say it all.
export function subjectWords({ act, by, subject, detail }) {
  const known = KNOWN.get(act);
  if (known === undefined) return subject;
  return known.tell?.({ by, subject, detail }) ?? "";
}

function whom({ subject }) {
  return `: ${subject}`;
}

function whose({ by, subject }) {
  return by === subject ? " of their own" : ` of ${subject}`;
}

function to({ subject }) {
  return ` to ${subject}`;
}

function from({ subject }) {
  return ` from ${subject}`;
}

function noted({ subject }) {
  return subject === "" ? "" : `: ${subject}`;
}

function number({ subject }) {
  return ` (${subject})`;
}

function version({ subject }) {
  return `, version ${subject}`;
}

function task({ subject, detail }) {
  return detail.item_id ? `: item ${detail.item_id}` : ` (${subject})`;
}
