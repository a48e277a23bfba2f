// The page: puts together what its parts show. What it knows comes through one socket (link.js).

import { Link } from "./link.js";
import { Sessions, foundRow, linkOf, titleOf } from "./sessions.js";
import { Sources } from "./sources.js";
import { Streams } from "./streams.js";
import { byId, dayAndTime, errorText, heardBy, make, stateOf, willBeHeardBy } from "./text.js";
import { Transcript } from "./transcript.js";

const FORMATS = ["txt", "md", "srt", "vtt", "json", "csv"];
const LOST_AFTER_MS = 1500;
const SEARCH_REST_MS = 200;

const transcript = new Transcript(byId("transcript"), byId("scroll"), byId("latest"), byId("announcer"));
const streams = new Streams(byId("streams"));
const sessions = new Sessions(async (before) => (await link.ask("sessions", { before })).sessions);
const sources = new Sources(async (wish) => {
  const answer = await link.ask("start", wish);
  location.hash = linkOf(answer.session);
  closeMenu();
});
const link = new Link(onState, onMessage);

// The session on the page, and how far it was told.
const shown = { session: "", seq: 0, log: "", sought: "" };
const statuses = new Map();
let stack = {};

// --- what comes ---

let lostTimer = 0;

function onState(state, reason) {
  if (byId("connection").className !== state) {
    clearTimeout(lostTimer);
    lostTimer = setTimeout(showProblems, state === "lost" ? LOST_AFTER_MS : 0);
  }
  const words = { open: "Connected", lost: "Connection lost; it is tried again", refused: "Not let in" };
  byId("connection").textContent = words[state];
  byId("connection").className = state;
  byId("connection").title = reason ?? "";
  if (state === "open") refresh();
}

async function refresh() {
  if (shown.session) show(shown.session);
  const { sessions: newest } = await link.ask("sessions").catch(() => ({ sessions: [] }));
  sessions.add(newest);
  follow();
}

function onMessage(message) {
  switch (message.type) {
    case "shown": return onShown(message);
    case "devices": return sources.show(message.devices);
    case "stack": return onStack(message);
    case "session-status": return onSession(message);
    case "capture-status": return onStatus(message);
    default: return onWords(message);
  }
}

function onShown({ session, log, after, seq, events, partials }) {
  if (shown.log && log !== shown.log) return location.reload(); // another event log: nothing here is true any more
  if (session !== shown.session) return;
  if (after) transcript.catchUp(events, partials);
  else {
    transcript.clear();
    transcript.startedAt = sessions.get(session)?.started_at ?? "";
    transcript.fill(events, partials);
  }
  Object.assign(shown, { log, seq });
  if (shown.sought) transcript.reveal(shown.sought);
  shown.sought = "";
}

function onWords(event) {
  if (event.session !== shown.session || (event.seq && event.seq <= shown.seq)) return;
  shown.seq = event.seq ?? shown.seq;
  transcript.on(event);
  if (event.type === "transcript-final") {
    sessions.onFinal(event);
    drawHead();
  }
}

function onSession(session) {
  const isNew = !sessions.get(session.session);
  sessions.put(session);
  if (session.state === "ended") statuses.delete(session.session);
  if (isNew && session.state === "running" && sessions.get(shown.session)?.state !== "running") location.hash = linkOf(session.session);
  if (session.session === shown.session) drawHead();
  else follow();
}

function onStatus(status) {
  sources.level(status);
  if (!statuses.has(status.session)) statuses.set(status.session, new Map());
  statuses.get(status.session).set(status.source, status);
  if (status.session === shown.session && sessions.get(shown.session)?.state !== "ended") {
    streams.on(status);
    streams.faults(stack.sessions?.[shown.session]?.faults ?? {});
  }
}

function onStack(message) {
  stack = message;
  streams.faults(stack.sessions?.[shown.session]?.faults ?? {});
  drawHearer();
  showProblems();
}

function drawHearer() {
  const engine = byId("engine").value || stack.engine;
  byId("hearer").textContent = engine ? willBeHeardBy(engine) : "";
}

// --- the session on the page ---

// By the address, else the newest one.
function follow() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const session = wanted.get("s") ?? sessions.newest()?.session ?? "";
  byId("welcome").hidden = Boolean(session);
  byId("session").hidden = !session;
  if (!session) return;
  if (session !== shown.session) {
    Object.assign(shown, { session, seq: 0, sought: wanted.get("t") ?? "" });
    transcript.clear();
    streams.clear();
    byId("session-error").replaceChildren();
    sessions.show(session);
    for (const status of statuses.get(session)?.values() ?? []) streams.on(status);
    show(session);
  } else if (wanted.get("t")) transcript.reveal(wanted.get("t"));
  drawHead();
}

function show(session) {
  link.send("show", { session, after: shown.seq, log: shown.log });
}

function drawHead() {
  const session = sessions.get(shown.session);
  const isOn = session?.state === "running";
  byId("session-title").textContent = session ? titleOf(session) : shown.session;
  byId("session-about").textContent = session
    ? [dayAndTime(session.started_at), `heard by ${heardBy(session.engine)}`, stateOf(session)].join(" · ")
    : "";
  byId("stop").hidden = !isOn;
  byId("session").classList.toggle("running", isOn);
  transcript.startedAt = session?.started_at ?? "";
  if (session?.state === "ended") streams.clear();
  document.title = session ? `${isOn ? "● " : ""}${titleOf(session)} – Causal` : "Causal";
}

async function stop() {
  byId("stop").disabled = true;
  await attempt(() => link.ask("stop", { session: shown.session }));
  byId("stop").disabled = false;
}

async function save(format) {
  const answer = await attempt(() => link.ask("export", { session: shown.session, format }));
  if (!answer) return;
  const anchor = make("a");
  anchor.href = URL.createObjectURL(new Blob([answer.text], { type: "text/plain" }));
  anchor.download = answer.name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
}

// What is refused stands above the transcript until the next attempt.
async function attempt(work) {
  byId("session-error").replaceChildren();
  try {
    return await work();
  } catch (error) {
    byId("session-error").append(make("p", "error", ...errorText(error)));
    return undefined;
  }
}

function showProblems() {
  const connection = byId("connection").className;
  const problems = (stack.faults ?? []).map((fault) => ({ ...fault, message: `${fault.service}: ${fault.message}` }));
  if (stack.running === false) problems.push(stack.error);
  if (connection === "lost") {
    problems.push({ message: "The page has lost its connection", hint: "Nothing is lost: what is said meanwhile comes when it is back" });
  }
  if (connection === "refused") {
    problems.push({ message: "This browser is not let in any more", hint: "Run in a terminal: causal-ctl open" });
  }
  const text = problems.map((problem) => problem.message + problem.hint).join();
  if (byId("problems").dataset.told === text) return;
  byId("problems").dataset.told = text;
  byId("problems").replaceChildren(...problems.map((problem) => make("p", "error", ...errorText(problem))));
}

// --- search ---

let searchTimer = 0;

async function search() {
  const text = byId("search").value.trim();
  byId("results").hidden = !text;
  byId("main").classList.toggle("searching", Boolean(text));
  if (!text) return;
  try {
    const { found } = await link.ask("search", { text });
    if (text !== byId("search").value.trim()) return;
    byId("results-count").textContent = found.length ? `${found.length === 50 ? "The newest 50" : found.length} found` : "Nothing found";
    byId("found").replaceChildren(...found.map(foundRow));
  } catch (error) {
    byId("results-count").replaceChildren(...errorText(error));
  }
}

function closeSearch() {
  byId("search").value = "";
  search();
}

// --- the frame ---

// On a narrow screen, sources and sessions lie over the transcript.
function setMenu(isOpen) {
  document.body.classList.toggle("menu", isOpen);
  byId("menu").setAttribute("aria-expanded", String(isOpen));
  for (const covered of byId("main").children) covered.inert = isOpen;
}

const closeMenu = () => setMenu(false);

function drawTheme() {
  const theme = document.documentElement.dataset.theme;
  byId("theme").textContent = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" }[theme];
  byId("theme").setAttribute("aria-label", `Colours: ${theme}`);
}

function nextTheme() {
  const themes = ["auto", "light", "dark"];
  const theme = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length];
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("causal-theme", theme);
  drawTheme();
}

for (const format of FORMATS) {
  const button = make("button", "quiet", format);
  button.type = "button";
  button.addEventListener("click", () => save(format));
  byId("exports").append(button);
}
byId("stop").addEventListener("click", stop);
byId("theme").addEventListener("click", nextTheme);
byId("menu").addEventListener("click", () => setMenu(!document.body.classList.contains("menu")));
matchMedia("(min-width: 761px)").addEventListener("change", closeMenu);
byId("engine").addEventListener("change", drawHearer);
byId("sessions").addEventListener("click", closeMenu);
byId("search").addEventListener("input", () => {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(search, SEARCH_REST_MS);
});
byId("search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
byId("found").addEventListener("click", (event) => {
  if (event.target.closest("a")) closeSearch();
});
byId("results-close").addEventListener("click", closeSearch);
addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    closeSearch();
    closeMenu();
  } else if (event.key === "/" && !event.target.matches("input, select")) {
    event.preventDefault();
    byId("search").focus();
  }
});
addEventListener("hashchange", follow);
drawTheme();
link.connect();
