// The few pictures of the page, drawn in a 20-unit square with the colour of the text.
import { html } from "./ui.js";

const PATHS = {
  system: html`<circle cx="10" cy="10" r="6.5" /><path d="M10 3.5a6.5 6.5 0 0 1 0 13z" fill="currentColor" />`,
  light: html`<circle cx="10" cy="10" r="3.4" /><path d="M10 2v2M10 16v2M2 10h2M16 10h2M4.3 4.3l1.5 1.5M14.2 14.2l1.5 1.5M4.3 15.7l1.5-1.5M14.2 5.8l1.5-1.5" />`,
  dark: html`<path d="M16 11.8A6.6 6.6 0 0 1 8.2 4a6.5 6.5 0 1 0 7.8 7.8z" />`,
  blind: html`<path d="M3 3l14 14M8.2 5.2A8 8 0 0 1 10 5c4.2 0 6.6 3.3 7.3 5-.3.7-.9 1.7-1.8 2.6M12.9 14.2A7.4 7.4 0 0 1 10 15c-4.2 0-6.6-3.3-7.3-5 .4-1 1.3-2.4 2.7-3.5M8.3 8.2a2.5 2.5 0 0 0 3.5 3.5" />`,
  eye: html`<path d="M2.7 10c.7-1.7 3.1-5 7.3-5s6.6 3.3 7.3 5c-.7 1.7-3.1 5-7.3 5s-6.6-3.3-7.3-5z" /><circle cx="10" cy="10" r="2.5" />`,
  undo: html`<path d="M6.5 4L3.5 7l3 3M3.5 7H12a4.5 4.5 0 0 1 0 9H8" />`,
  skip: html`<path d="M4 5l6 5-6 5zM11 5l6 5-6 5z" />`,
  book: html`<path d="M10 5.5C8.5 4.3 6 4 3 4v11c3 0 5.5.3 7 1.5 1.5-1.2 4-1.5 7-1.5V4c-3 0-5.5.3-7 1.5zM10 5.5v11" />`,
  flag: html`<path d="M5 17V3.5h9.5l-2 3.5 2 3.5H5" />`,
  comment: html`<path d="M3.5 4.5h13v9H9l-3.5 3v-3h-2z" />`,
  people: html`<path d="M7 9.5a2.75 2.75 0 1 0 0-5.5 2.75 2.75 0 0 0 0 5.5zM2.5 16a4.5 4.5 0 0 1 9 0M13 9a2.25 2.25 0 1 0 0-4.5M13.5 11.7a4 4 0 0 1 4 4.3" />`,
  person: html`<circle cx="10" cy="7" r="3" /><path d="M4 16.5a6 6 0 0 1 12 0" />`,
  menu: html`<path d="M3.5 5.5h13M3.5 10h13M3.5 14.5h13" />`,
  help: html`<circle cx="10" cy="10" r="7" /><path d="M8 8a2 2 0 1 1 2.7 1.9c-.5.2-.7.5-.7 1.1M10 13.6v.1" />`,
  close: html`<path d="M5 5l10 10M15 5L5 15" />`,
  spark: html`<path d="M10 3l1.7 5.3L17 10l-5.3 1.7L10 17l-1.7-5.3L3 10l5.3-1.7z" />`,
  gathering: html`<path d="M6 3h8M6 17h8M7 3v2.5c0 2 6 5 6 9V17M13 3v2.5c0 2-6 5-6 9V17" />`,
  alarm: html`<path d="M10 3.2L17.6 16.5H2.4zM10 8.2v4M10 14.4v.1" />`,
  expand: html`<path d="M7 5l6 5-6 5" />`,
  check: html`<path d="M4 10.5l4 4 8-9" />`,
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true">${PATHS[name]}</svg>`;
}
