// The sessions there were, the newest first, and what was found in them.

import { byId, dayAndTime, make, stateOf, timeOfDay, voice } from "./text.js";

export const titleOf = (session) => session.label || session.preview || (session.state === "ended" ? "No words" : "No words yet");
export const linkOf = (session) => `#s=${encodeURIComponent(session)}`;

export class Sessions {
  // `older` asks for those before a moment, and returns a promise.
  constructor(older) {
    this.all = new Map();
    this.rows = new Map();
    this.shown = "";
    byId("more").addEventListener("click", async () => this.add(await older(this.oldest())));
  }

  // Those of a connection that has just been made.
  add(sessions) {
    for (const session of sessions) this.put(session);
    byId("more").hidden = sessions.length < 100;
  }

  // News of one session; what is not told stays as it was.
  put(news) {
    const session = { preview: "", ...this.all.get(news.session), ...news };
    this.all.set(session.session, session);
    this.draw(session);
  }

  // The first words of a session without a name are its title.
  onFinal(final) {
    const session = this.all.get(final.session);
    if (session && !session.preview) this.put({ ...session, preview: final.text.slice(0, 120) });
  }

  show(name) {
    this.rows.get(this.shown)?.link.removeAttribute("aria-current");
    this.shown = name;
    this.rows.get(name)?.link.setAttribute("aria-current", "true");
  }

  get(name) {
    return this.all.get(name);
  }

  running() {
    return this.sorted().filter((session) => session.state === "running");
  }

  newest() {
    return this.running()[0] ?? this.sorted()[0];
  }

  sorted() {
    return [...this.all.values()].sort((a, b) => (newer(a, b) ? -1 : 1));
  }

  oldest() {
    return this.sorted().at(-1)?.started_at ?? "";
  }

  draw(session) {
    let row = this.rows.get(session.session);
    if (!row) {
      row = { title: make("span", "title"), about: make("span", "faint") };
      row.dot = make("span", "dot");
      row.dot.setAttribute("aria-hidden", "true");
      row.link = make("a", "", row.dot, row.title, row.about);
      row.link.href = linkOf(session.session);
      row.element = make("li", "", row.link);
      this.rows.set(session.session, row);
      const next = this.sorted().find((other) => newer(session, other) && other !== session && this.rows.has(other.session));
      byId("sessions").insertBefore(row.element, (next && this.rows.get(next.session).element) || null);
      if (session.session === this.shown) this.show(this.shown);
    }
    row.title.textContent = titleOf(session);
    row.about.textContent = `${dayAndTime(session.started_at)} · ${session.sources.map((s) => voice(s)).join(", ")} · ${stateOf(session)}`;
    row.element.className = session.state;
  }
}

const newer = (a, b) => a.started_at > b.started_at || (a.started_at === b.started_at && a.session > b.session);

// What a search has found: each leads to its place.
export function foundRow(found) {
  const where = make("span", "faint", `${dayAndTime(found.started_at)} · ${voice(found.source, found.speaker)}${found.label ? ` · ${found.label}` : ""}`);
  const link = make("a", "", where, make("span", "text", ...marked(found.snippet)));
  link.href = `${linkOf(found.session)}&t=${encodeURIComponent(`${found.source}|${found.turn}`)}`;
  link.title = timeOfDay(found.started_at);
  return make("li", "", link);
}

// The words between the marks of the search.
function marked(snippet) {
  return snippet.split(/(\u0002[^\u0003]*\u0003)/).filter(Boolean).map((piece) =>
    piece.startsWith("\u0002") ? make("mark", "", piece.slice(1, -1)) : piece);
}
