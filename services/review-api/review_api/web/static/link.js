// Whether the server can be reached, and when to try again.

const DELAYS_MS = [1000, 2000, 4000, 8000, 15000];

export class Link {
  constructor(onRetry, onChange) {
    this.down = false;
    this.nextTryAt = 0;
    this.cause = null;
    this.attempt = 0;
    this.timer = null;
    this.onRetry = onRetry;
    this.onChange = onChange;
    this.wake = () => this.tryNow();
    addEventListener("online", this.wake);
  }

  failed(error) {
    const delay = error.retryAfterMs ?? DELAYS_MS[Math.min(this.attempt, DELAYS_MS.length - 1)];
    this.attempt += 1;
    this.down = true;
    this.cause = error;
    this.nextTryAt = Date.now() + delay;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.onRetry(), delay);
    this.onChange();
  }

  worked() {
    if (!this.down) return;
    this.down = false;
    this.attempt = 0;
    clearTimeout(this.timer);
    this.onChange();
  }

  tryNow() {
    if (!this.down) return;
    clearTimeout(this.timer);
    this.onRetry();
  }

  close() {
    clearTimeout(this.timer);
    removeEventListener("online", this.wake);
  }
}
