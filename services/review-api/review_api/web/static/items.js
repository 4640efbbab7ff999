// Items as several pages name them: the link to one, a label of any kind as text, and why it went to people.
import { html } from "./ui.js";

const REASONS = {
  low_confidence: "the machine was not sure enough",
  disagreement: "the voters differed",
  audit: "a blind check, drawn at random",
  always_review: "the policy sends all such items to people",
  cold_start: "there was no evidence yet to accept by",
  uncalibrated: "the confidence was not calibrated yet",
  alarm: "acceptance was closed after an alarm",
  budget: "voters were left out, the budget was spent",
  guideline_change: "the guideline changed",
  suspicious: "the text speaks to the machine",
  label_error: "the decision is doubted",
  confident: "the machine was sure enough",
};

// A reason may carry a detail behind a colon: `always_review:label`.
export function reasonWords(reason) {
  const [name, ...detail] = reason.split(":");
  const words = REASONS[name] ?? name.replaceAll("_", " ");
  return detail.length > 0 ? `${words} (${detail.join(":")})` : words;
}

export function labelText(label) {
  if (typeof label === "string") return label;
  if (Array.isArray(label) && label.every((part) => typeof part === "string")) return label.join(", ") || "none";
  return JSON.stringify(label);
}

// Whether an item distresses, by the project's file.
export function distresses(spec, metadata) {
  return Object.entries(spec.review?.care?.sensitive ?? {}).some(([name, values]) => values.includes(metadata[name]));
}

export function itemAddress(project, item) {
  return `/item?${new URLSearchParams({ project, item })}`;
}

export function ItemLink({ project, item, children }) {
  return html`<a class="item-link" href=${itemAddress(project, item)} title=${`Lineage of ${item}`}>${children ?? item}</a>`;
}
