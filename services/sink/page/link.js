// The socket to the sink: comes again by itself, and answers requests by promises.

const LONGEST_REST_MS = 2000;
const NOT_LET_IN = 4401;

export class Refused extends Error {
  constructor(error) {
    super(error.message);
    this.hint = error.hint;
  }
}

export class Link {
  // `onState` gets connecting, open, lost or refused; `onMessage` gets everything but answers.
  constructor(onState, onMessage) {
    this.onState = onState;
    this.onMessage = onMessage;
    this.waiting = new Map();
    this.count = 0;
    this.restMs = 100;
    this.isOpen = false;
    document.addEventListener("visibilitychange", () => this.hurry());
    addEventListener("online", () => this.hurry());
  }

  connect() {
    clearTimeout(this.timer);
    const socket = (this.socket = new WebSocket(`ws://${location.host}/live`));
    socket.onopen = () => {
      this.isOpen = true;
      this.send("hello", { key: localStorage.getItem("causal-key") ?? "" });
      this.onState("open");
    };
    socket.onmessage = (event) => {
      this.restMs = 100;
      const message = JSON.parse(event.data);
      if (message.type === "answer") this.settle(message);
      else this.onMessage(message);
    };
    socket.onclose = (event) => this.lost(event);
  }

  // Tells, without waiting for an answer.
  send(op, fields) {
    if (this.isOpen) this.socket.send(JSON.stringify({ op, id: ++this.count, ...fields }));
    return this.count;
  }

  // Asks. Rejects with `Refused`.
  ask(op, fields = {}) {
    if (!this.isOpen) return Promise.reject(new Refused({ message: "the page has no connection", hint: "It is tried again" }));
    return new Promise((resolve, reject) => this.waiting.set(this.send(op, fields), { resolve, reject }));
  }

  settle(answer) {
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (answer.ok) waiting?.resolve(answer);
    else waiting?.reject(new Refused(answer.error));
  }

  lost(event) {
    this.isOpen = false;
    for (const { reject } of this.waiting.values()) {
      reject(new Refused({ message: "the connection was lost", hint: "Try again" }));
    }
    this.waiting.clear();
    if (event.code === NOT_LET_IN) {
      this.onState("refused");
      return;
    }
    this.onState("lost", event.reason);
    this.timer = setTimeout(() => this.connect(), this.restMs);
    this.restMs = Math.min(LONGEST_REST_MS, this.restMs * 1.6);
  }

  hurry() {
    if (this.socket?.readyState === WebSocket.CLOSED && this.timer && !document.hidden) this.connect();
  }
}
