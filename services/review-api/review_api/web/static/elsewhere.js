// Tasks that the same person has in hand in another window, or had in a browser that is gone: seen when nothing else
// waits, and taken over when the person wants them here.
import { html } from "./ui.js";
import { call, segment } from "./http.js";
import { plural } from "./format.js";
import { keyOfAction } from "./keys.js";
import { Blank } from "./shell.js";

export class Elsewhere {
  constructor(desk) {
    this.desk = desk;
    this.taskIds = [];
    this.asking = false;
  }

  get count() {
    return this.taskIds.length;
  }

  // `inHand` is what the server says that the person holds. What this browser has at hand, has to send or has just
  // answered may still count there.
  hear(inHand) {
    const { tasks, outbox, history } = this.desk;
    const here = new Set([...tasks, ...outbox.entries, ...history.map((past) => past.task)].map((one) => one.task_id));
    const before = this.count;
    this.taskIds = inHand.filter((taskId) => !here.has(taskId));
    if (this.count > before) this.desk.say(`${sentence(this.count)}.`, { andTask: false });
  }

  async take() {
    const { desk, count } = this;
    if (this.asking || count === 0) return;
    this.asking = true;
    try {
      const path = `/v1/projects/${segment(desk.project.project)}/tasks/take-over`;
      const { tasks, serverNow } = await call("POST", path, { count });
      this.taskIds = [];
      desk.take(tasks, serverNow);
      desk.say(`${plural(tasks.length, "task")} taken over.`);
    } catch (error) {
      desk.failedToFill(error);
    } finally {
      this.asking = false;
      desk.settle();
    }
  }
}

export function InAnotherWindow({ elsewhere, singleKeys }) {
  const one = elsewhere.count === 1;
  return html`<${Blank} title=${sentence(elsewhere.count)}>
    <p>Nothing else waits for you just now. If that window or browser is gone, or was left while it loaded, go on with ${one ? "it" : "them"} here; if it is
      still open, it loses ${one ? "the task" : "these tasks"}.</p>
    <button class="primary" onClick=${() => elsewhere.take()} disabled=${elsewhere.asking}
      aria-keyshortcuts=${singleKeys ? keyOfAction("takeOver") : undefined}>
      Take ${one ? "it" : "them"} here ${singleKeys && html`<kbd aria-hidden="true">${keyOfAction("takeOver")}</kbd>`}
    </button>
  </${Blank}>`;
}

function sentence(count) {
  return `You have ${plural(count, "task")} in hand in another window`;
}
