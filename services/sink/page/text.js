// Words for what the events say, and small helpers to put them on the page. Text only ever enters as text.

export const byId = (id) => document.getElementById(id);

// An element with a class, and with texts or elements inside.
export function make(tag, name = "", ...inside) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...inside);
  return element;
}

// `3.2 s`, `32 s`, `12:34` minutes, `1:02:03` hours.
export function duration(ms) {
  if (ms < 60_000) return `${(Math.max(0, ms) / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  return clock(ms);
}

export function clock(ms) {
  const s = Math.floor(Math.max(0, ms) / 1000);
  const two = (n) => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

const timeFormat = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const minute = { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" };
const dayFormat = new Intl.DateTimeFormat(undefined, minute);
const yearFormat = new Intl.DateTimeFormat(undefined, { ...minute, year: "numeric" });

const written = (format, utc, plusMs) => {
  const moment = new Date(new Date(utc).getTime() + plusMs);
  return Number.isNaN(moment.getTime()) ? "" : format.format(moment);
};
export const timeOfDay = (utc, plusMs = 0) => written(timeFormat, utc, plusMs);
const isThisYear = (utc) => new Date(utc).getFullYear() === new Date().getFullYear();
export const dayAndTime = (utc) => written(isThisYear(utc) ? dayFormat : yearFormat, utc, 0);

const NAMES = { mic: "Me", system: "Them", file: "File" };

// Who speaks: me and them by source, then the speaker if the engine tells them apart.
export function voice(source, speaker) {
  const [kind, number] = source.split(/-(?=\d+$)/);
  const name = [NAMES[kind] ?? source, NAMES[kind] && number].filter(Boolean).join(" ");
  return speaker ? `${name} · ${speaker}` : name;
}

export const kindOf = (source) => ({ mic: "me", system: "them" })[source.split("-")[0]] ?? "other";

// Whether sound leaves this computer is told before it does.
export const willBeHeardBy = (engine) =>
  engine === "local" ? "Heard by this computer: no sound leaves it." : `Heard by ${heardBy(engine)}: the sound goes there.`;

export const heardBy = (engine) =>
  ({ local: "this computer", assemblyai: "AssemblyAI" })[engine] ?? engine;

// What a light means: its colour and its words.
const STATES = {
  starting: ["wait", "opening the device"],
  capturing: ["good", "listening"],
  silent: ["wait", "only silence comes"],
  stalled: ["bad", "nothing is delivered"],
  muted: ["wait", "muted"],
  stopping: ["wait", "stopping"],
  stopped: ["off", "stopped"],
  failed: ["bad", "failed"],
};
const NOTHING_PLAYED = ["off", "nothing is played"];
// Zeros are a fault of a microphone, and the rest of everything else.
export const soundOf = (status) =>
  status.state === "silent" && kindOf(status.source) !== "me" && !status.hint
    ? NOTHING_PLAYED
    : (STATES[status.state] ?? ["off", status.state]);
export const SPEECH = {
  idle: ["off", "waiting for speech"],
  connecting: ["wait", "connecting"],
  live: ["good", "live"],
  reconnecting: ["wait", "connecting again; what is said is kept"],
  "catching-up": ["wait", "catching up"],
  failed: ["bad", "failed"],
};

const REASONS = {
  "device-lost": "the device was gone",
  overflow: "the computer was too busy",
  suspended: "nothing was delivered",
  restarted: "capture was restarted",
  moved: "the device changed",
};
export const notHeard = (gap) => `${duration(gap.length_ms)} not heard: ${REASONS[gap.reason] ?? gap.reason}`;

const ENDS = {
  stopped: "stopped",
  "source-ended": "played to its end",
  failed: "failed",
  "stack-stopped": "Causal was stopped",
};
export function stateOf(session) {
  if (session.state === "running") return "running";
  if (session.state === "finishing") return "finishing the last words";
  return ENDS[session.reason] ?? "ended";
}

// An error as two sentences: what was found, and what to do.
export function errorText(error) {
  const sentence = (text) => (text && !/[.!?…]$/.test(text) ? `${text}.` : text);
  return [make("strong", "", sentence(capital(error.message))), " ", sentence(capital(error.hint ?? ""))];
}

// Addresses and names of programs stay as they are.
export const capital = (text) => (/^[a-z]+[ ,:]\S*/.test(text) && !/^\w+:\S/.test(text) ? text[0].toUpperCase() + text.slice(1) : text);
