// From the API's status and minutes to the numbers and lines of the dashboard. Pure functions.

const MINUTE_MS = 60_000;
const POINTS = 120;
const LEAST_MINUTES = 15;

// Minutes without events are not sent: every bin gets a value, sums of `size` minutes each. The bins begin with
// the window, or shortly before the first event in it: a young project fills its charts all the same.
export function bins(minutes, windowMinutes, nowMs) {
  const age = minutes.length > 0 ? Math.ceil((nowMs - minutes[0].minute) / MINUTE_MS) + 1 : 0;
  const span = Math.min(windowMinutes, Math.max(LEAST_MINUTES, age));
  const size = Math.max(1, Math.ceil(span / POINTS));
  const step = size * MINUTE_MS;
  const last = Math.floor(nowMs / step) * step;
  const count = Math.ceil(span / size);
  const starts = Array.from({ length: count }, (_, index) => last - (count - 1 - index) * step);
  const sums = starts.map(() => ({}));
  for (const { minute, ...figures } of minutes) {
    const at = Math.floor((Math.floor(minute / step) * step - starts[0]) / step);
    if (sums[at] === undefined) continue;
    for (const [name, value] of Object.entries(figures)) sums[at][name] = (sums[at][name] ?? 0) + value;
  }
  return { size, starts, sums };
}

// The last bin is still filling up and would look like a fall: it is left out once an earlier one has something.
export function ratePerMinute({ size, sums }, name) {
  const rates = sums.map((sum) => (sum[name] ?? 0) / size);
  return rates.slice(0, -1).some((rate) => rate > 0) ? [...rates.slice(0, -1), null] : rates;
}

export function shares({ sums }, part, rest) {
  return sums.map((sum) => ratio(sum[part] ?? 0, (sum[part] ?? 0) + (sum[rest] ?? 0)));
}

export function running({ sums }, name) {
  let total = 0;
  return sums.map((sum) => (total += sum[name] ?? 0));
}

// 1 - wrong/all over everything up to each bin; null before there is any.
export function runningAccuracy(binned, wrong, all) {
  const wrongs = running(binned, wrong);
  return running(binned, all).map((total, index) => (total > 0 ? 1 - wrongs[index] / total : null));
}

// The queue is not recorded by the minute: it is counted back from what waits now.
export function queue({ sums }, waitingNow) {
  let waiting = waitingNow;
  const back = sums.toReversed().map((sum) => {
    const then = Math.max(0, waiting);
    waiting -= (sum.requested ?? 0) - (sum.decided ?? 0) - (sum.withdrawn ?? 0);
    return then;
  });
  return back.toReversed();
}

export function ratio(part, whole) {
  return whole > 0 ? part / whole : null;
}

// Wilson's interval at 95%: where the true share lies, given `good` of `all`.
export function interval(good, all) {
  if (all === 0) return null;
  const z = 1.96;
  const share = good / all;
  const middle = (share + (z * z) / (2 * all)) / (1 + (z * z) / all);
  const half = (z / (1 + (z * z) / all)) * Math.sqrt((share * (1 - share)) / all + (z * z) / (4 * all * all));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

// Human minutes against the same number of labels made by people alone: of a decision, the measured time once there
// are enough of them, and until then what the project's file says.
export function savings(status, spec) {
  const spent = (status.human_seconds ?? 0) / 60;
  const measured = typeof status.seconds_each === "number";
  const secondsEach = measured ? status.seconds_each : spec.minutes_per_decision * 60;
  const alone = ((status.final_labels ?? 0) * spec.policy.decisions_per_task * secondsEach) / 60;
  const saved = Math.max(0, alone - spent);
  return { spent, saved, secondsEach, measured, savedUsd: Math.max(0, (saved / 60) * spec.usd_per_hour - (status.cost_usd ?? 0)) };
}

// Labels accepted without a person: at once, or since evidence made their tasks needless.
export function acceptedInAll(status) {
  return status.accepted + status.withdrawn;
}

// All money spent, people's time included, by label that was accepted without a person and by the audits is
// right; null while it cannot be told. The error is that of the audits.
export function costPerCorrect(status, spec) {
  const error = ratio(status.audit_errors, status.audits);
  const people = (status.human_seconds / 3600) * spec.usd_per_hour;
  const correct = acceptedInAll(status) * (1 - error);
  return error !== null && correct > 0 ? (status.cost_usd + people) / correct : null;
}

// The share of items and their error when everything from `threshold` up is accepted, read off the curve;
// null where nothing is. The curve may be in any order; between its points it is a straight line.
export function standing(points, threshold) {
  const curve = points.toSorted((a, b) => b.confidence - a.confidence);
  const after = curve.findIndex((point) => point.confidence <= threshold);
  if (curve.length === 0 || threshold > 1) return null;
  if (after === -1) return curve.at(-1);
  if (after === 0) return curve[0].confidence === threshold ? curve[0] : null;
  const [above, below] = [curve[after - 1], curve[after]];
  const way = (above.confidence - threshold) / (above.confidence - below.confidence || 1);
  const between = (name) => above[name] + way * (below[name] - above[name]);
  return { confidence: threshold, coverage: between("coverage"), error: between("error"), error_bound: between("error_bound") };
}

// Round numbers from `low` to `high`, some `wanted` of them.
export function ticks(low, high, wanted = 5) {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}
