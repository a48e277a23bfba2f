// The words of one session in the order of time. A turn keeps its place and its element from its first partial to its
// final, so nothing jumps; the same event twice changes nothing.

import { capital, clock, errorText, kindOf, make, notHeard, timeOfDay, voice } from "./text.js";

const SAME_BREATH_MS = 30_000;
const BLOCK = 50;
const NEAR_END_PX = 60;

export class Transcript {
  constructor(list, scroll, latest, announcer) {
    Object.assign(this, { list, scroll, latest, announcer });
    this.clear();
    scroll.addEventListener("scroll", () => this.onScroll(), { passive: true });
    new ResizeObserver(() => this.follow()).observe(scroll);
    latest.addEventListener("click", () => this.toEnd());
  }

  clear() {
    this.items = [];
    this.byKey = new Map();
    this.startedAt = "";
    this.newestMs = 0;
    this.isAtEnd = true;
    this.latest.hidden = true;
    this.list.replaceChildren();
  }

  // Everything at once: sorted first, then put on the page in one go.
  fill(events, partials) {
    for (const event of [...events, ...partials]) {
      const item = this.take(event);
      if (item) this.place(item);
    }
    this.items.forEach((item, n) => this.group(item, this.items[n - 1]));
    const blocks = [];
    for (let n = 0; n < this.items.length; n += BLOCK) {
      blocks.push(make("ol", "block", ...this.items.slice(n, n + BLOCK).map((item) => item.element)));
    }
    this.list.replaceChildren(...blocks);
    this.toEnd();
  }

  // What came while the connection was away. Partials that nobody says any more are gone.
  catchUp(events, partials) {
    const said = new Set(partials.map(keyOf));
    for (const item of this.items.filter((item) => item.isPartial && !said.has(item.key))) this.remove(item);
    for (const event of [...events, ...partials]) this.on(event, false);
  }

  on(event, isNew = true) {
    if (event.type === "transcript-void") {
      const item = this.byKey.get(keyOf(event));
      if (item?.isPartial) this.remove(item);
      return;
    }
    const known = this.byKey.get(keyOf(event));
    if (known) this.update(known, event);
    else this.insert(event);
    if (event.type === "transcript-final") {
      this.dropOvertaken(event);
      if (isNew) this.announce(event);
    }
    this.follow();
  }

  find(key) {
    return this.byKey.get(key)?.element;
  }

  // --- items ---

  // A new item for an event; undefined for what needs none.
  take(event) {
    const key = keyOf(event);
    if (this.byKey.has(key)) return undefined;
    const isTurn = event.type.startsWith("transcript");
    if (isTurn && !event.text) return undefined;
    const startMs = event.start_ms ?? this.newestMs;
    const item = { key, startMs, endMs: event.end_ms ?? startMs, order: event.seq ?? Infinity, isTurn };
    item.isPartial = event.type === "transcript-partial";
    item.voice = isTurn ? voice(event.source, event.speaker) : "";
    if (!item.isPartial) this.newestMs = Math.max(this.newestMs, item.endMs);
    item.element = isTurn ? this.turn(item, event) : this.note(item, event);
    this.byKey.set(key, item);
    return item;
  }

  turn(item, event) {
    item.text = make("p", "text", said(event));
    item.time = make("time", "", timeOfDay(event.started_at));
    item.time.title = clock(event.start_ms);
    item.who = make("span", "who", item.voice);
    const element = make("li", `turn ${kindOf(event.source)}${item.isPartial ? " partial" : ""}`, item.who, item.text, item.time);
    element.dataset.turn = event.turn;
    return element;
  }

  note(item, event) {
    const isGap = event.type === "gap";
    const who = make("span", "who", event.source === "-" ? "" : voice(event.source));
    // What is tried again needs nobody: a line. The stream's card has the hint while it lasts.
    const problem = () => (event.retrying ? [capital(event.message)] : errorText(event));
    const text = isGap ? [notHeard(event)] : problem();
    const time = make("time", "", this.startedAt ? timeOfDay(this.startedAt, item.startMs) : clock(item.startMs));
    return make("li", isGap ? "gap" : event.retrying ? "fault retried" : "fault", who, make("p", "text", ...text), time);
  }

  insert(event) {
    const item = this.take(event);
    if (!item) return;
    const n = this.place(item);
    this.attach(item, n);
    this.regroup(n);
  }

  // Blocks that are out of sight are left out of the layout, so a long list costs no more than a short one.
  attach(item, n) {
    const before = this.items[n - 1]?.element;
    let block = before?.parentElement ?? this.list.firstElementChild;
    const isFull = n === this.items.length - 1 && block?.childElementCount >= BLOCK;
    if (!block || isFull) {
      block = make("ol", "block");
      this.list.append(block);
      block.append(item.element);
    } else if (before) before.after(item.element);
    else block.prepend(item.element);
    if (block.childElementCount > 2 * BLOCK) block.after(make("ol", "block", ...[...block.children].slice(BLOCK)));
  }

  detach(item) {
    const block = item.element.parentElement;
    item.element.remove();
    if (!block.childElementCount) block.remove();
  }

  // Puts an item where it belongs by time; mostly that is the end.
  place(item) {
    let n = this.items.length;
    while (n > 0 && isBefore(item, this.items[n - 1])) n -= 1;
    this.items.splice(n, 0, item);
    return n;
  }

  update(item, event) {
    if (!item.isTurn || !item.isPartial) return; // a final does not change any more
    if (item.text.textContent !== said(event)) item.text.textContent = said(event);
    item.endMs = event.end_ms;
    if (event.type === "transcript-partial") return;
    item.isPartial = false;
    item.order = event.seq;
    item.voice = voice(event.source, event.speaker);
    item.who.textContent = item.voice;
    item.time.textContent = timeOfDay(event.started_at);
    item.element.classList.remove("partial");
    this.newestMs = Math.max(this.newestMs, item.endMs);
    this.settle(item, event.start_ms);
    if (!event.text) this.remove(item);
  }

  // The final may know its beginning better. It moves only if another item now belongs between.
  settle(item, startMs) {
    item.startMs = startMs;
    const n = this.items.indexOf(item);
    const [before, after] = [this.items[n - 1], this.items[n + 1]];
    if ((before && isBefore(item, before)) || (after && isBefore(after, item))) {
      this.items.splice(n, 1);
      this.detach(item);
      this.regroup(n);
      this.attach(item, this.place(item));
    }
    this.regroup(this.items.indexOf(item));
  }

  remove(item) {
    const n = this.items.indexOf(item);
    this.items.splice(n, 1);
    this.byKey.delete(item.key);
    this.detach(item);
    this.regroup(n);
  }

  // Partials before a final of their stream that were never taken back: whoever wrote them was killed.
  dropOvertaken(final) {
    const prefix = `${final.source}|`;
    const old = this.items.filter((item) => item.isPartial && item.key.startsWith(prefix) && item.startMs < final.start_ms);
    for (const item of old) this.remove(item);
  }

  // The name stands only where the voice changes.
  regroup(n) {
    for (const k of [n, n + 1]) if (this.items[k]) this.group(this.items[k], this.items[k - 1]);
  }

  group(item, before) {
    const goesOn = before && item.isTurn && before.voice === item.voice && item.startMs - before.endMs < SAME_BREATH_MS;
    item.element.classList.toggle("goes-on", Boolean(goesOn));
  }

  // --- the view ---

  onScroll() {
    const { scrollTop, clientHeight, scrollHeight } = this.scroll;
    this.isAtEnd = scrollTop + clientHeight >= scrollHeight - NEAR_END_PX;
    if (this.isAtEnd) this.latest.hidden = true;
  }

  follow() {
    if (!this.isAtEnd) this.latest.hidden = false;
    else if (!this.frame) this.frame = requestAnimationFrame(() => this.toEnd());
  }

  toEnd() {
    this.frame = 0;
    this.isAtEnd = true;
    this.latest.hidden = true;
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  // Shows a turn that was searched for.
  reveal(key) {
    const element = this.find(key);
    if (!element) return;
    this.isAtEnd = false;
    element.scrollIntoView({ block: "center" });
    element.classList.add("sought");
    setTimeout(() => element.classList.remove("sought"), 4000);
  }

  announce(event) {
    if (!event.text) return;
    this.announcer.append(make("p", "", `${voice(event.source, event.speaker)}: ${event.text}`));
    while (this.announcer.childElementCount > 3) this.announcer.firstElementChild.remove();
  }
}

export function keyOf(event) {
  if (event.turn !== undefined) return `${event.source}|${event.turn}`;
  return event.type === "gap" ? `${event.source}|gap ${event.start_ms} ${event.length_ms}` : `${event.source}|${event.seq}`;
}

// The end of a sentence that is still under way is a guess, and dots follow it on the page.
const said = (event) => (event.type === "transcript-partial" ? event.text.replace(/[.?!…]+$/, "") : event.text);

const isBefore = (a, b) => a.startMs < b.startMs || (a.startMs === b.startMs && a.order < b.order);
