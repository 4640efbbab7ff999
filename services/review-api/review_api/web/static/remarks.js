// What reviewers flagged and said, for managers to answer.
import { html, useCallback, useEffect, useState } from "./ui.js";
import { FLAGS } from "./asking.js";
import { dateTime } from "./format.js";
import { call, segment } from "./http.js";
import { Covered } from "./sensitive.js";

const PAGE = 50;

export function FromReviewers({ project, onExpired }) {
  const [flags, setFlags] = useState(null);
  const [comments, setComments] = useState(null);
  const [problem, setProblem] = useState("");
  const base = `/v1/projects/${segment(project.project)}`;
  const load = useCallback(async () => {
    try {
      setFlags((await call("GET", `${base}/flags?count=${PAGE}`)).flags);
      setComments((await call("GET", `${base}/comments?count=${PAGE}`)).comments);
    } catch (error) {
      if (error.status === 401) onExpired();
      else setProblem(error.message);
    }
  }, [base]);
  useEffect(() => {
    load();
  }, [load]);
  const resolve = async (flag, answer) => {
    try {
      await call("POST", `${base}/flags/${flag.flag_id}/resolve`, { answer });
      setProblem("");
    } catch (error) {
      setProblem(error.message);
    }
    return load();
  };
  return html`
    <p class="problem" role="alert">${problem}</p>
    <h2>Flags to answer</h2>
    ${flags?.length === 0 && html`<p class="nothing">No open flags.</p>`}
    ${flags?.length > 0 && html`<ul class="rows card">${flags.map((flag) => html`<${Remark} key=${flag.flag_id} one=${flag} what=${FLAGS[flag.reason]}>
      <${Answer} flag=${flag} onResolve=${resolve} />
    </${Remark}>`)}</ul>`}
    <h2>Comments</h2>
    ${comments?.length === 0 && html`<p class="nothing">No comments.</p>`}
    ${comments?.length > 0 && html`<ul class="rows card">
      ${comments.map((comment) => html`<${Remark} key=${comment.comment_id} one=${comment} what=${comment.audience === "raters" ? "to raters" : ""} />`)}
    </ul>`}`;
}

// The begin of an item's text. In lists of one's own the server leaves out what distresses, and says so.
export function Excerpt({ row }) {
  return html`<p class="row-text" dir="auto">${row.excerpt || html`<span class="fine">no text (any more)</span>`}</p>`;
}

function Remark({ one, what, children }) {
  return html`<li class="row">
    <div class="row-main">
      <${Covered} sensitive=${one.sensitive} item=${one.item_id}><${Excerpt} row=${one} /></${Covered}>
      <p class="fine"><span class="row-id">${one.item_id}</span> · ${one.reviewer} · <time dateTime=${new Date(one.at).toISOString()}>${dateTime(one.at)}</time></p>
      <p class="row-said">${what && html`<strong>${what}</strong> `}${one.text}</p>
      ${children}
    </div>
  </li>`;
}

function Answer({ flag, onResolve }) {
  const submit = (event) => {
    event.preventDefault();
    onResolve(flag, new FormData(event.currentTarget).get("answer").trim());
  };
  return html`<form class="with-button" onSubmit=${submit}>
    <input name="answer" maxlength="2000" autocomplete="off" aria-label=${`Answer to ${flag.reviewer} about ${flag.item_id}`} placeholder="Answer, if you like" />
    <button>Resolve</button>
  </form>`;
}
