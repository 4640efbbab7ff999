// Numbers and times as people read them, in the browser's language.

const whole = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const none = "–";

function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

export function count(value) {
  if (!isNumber(value)) return none;
  return value >= 100_000 ? short.format(value) : whole.format(Math.round(value));
}

export function decimal(value, digits = 1) {
  return isNumber(value) ? value.toLocaleString(undefined, { maximumFractionDigits: digits }) : none;
}

export function percent(share, digits = 1) {
  return isNumber(share) ? `${(share * 100).toLocaleString(undefined, { maximumFractionDigits: digits })}%` : none;
}

export function usd(value) {
  if (!isNumber(value)) return none;
  const digits = value !== 0 && Math.abs(value) < 1 ? 4 : 2;
  return `$${value.toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: digits })}`;
}

export function minutes(value) {
  if (!isNumber(value)) return none;
  if (value < 1 && value > 0) return `${Math.round(value * 60)} s`;
  if (value < 120) return `${decimal(value, value < 10 ? 1 : 0)} min`;
  return `${decimal(value / 60, 1)} h`;
}

export function clock(ms) {
  return new Date(ms).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
}

// A day of the calendar, as the server counts them: in UTC.
export function date(day) {
  return new Date(day).toLocaleDateString(undefined, { dateStyle: "medium", timeZone: "UTC" });
}

export function dateTime(ms) {
  return new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

export function duration(seconds) {
  if (!isNumber(seconds)) return none;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${decimal(seconds / 3600, seconds < 36_000 ? 1 : 0)} h`;
  return `${decimal(seconds / 86_400, seconds < 864_000 ? 1 : 0)} days`;
}
