// What can be heard, to be chosen from, with a level for what is being heard at the moment.

import { byId, errorText, make } from "./text.js";
import { Meter } from "./streams.js";

const GROUPS = [
  ["input", "Microphones", "mic", "Default microphone"],
  ["loopback", "Sound of this computer", "system", "Default output"],
  ["file", "Files", "", ""],
];
const STANDARD = ["mic", "system"];
const NOTHING = { input: "No microphone was found.", loopback: "No output was found." };

export class Sources {
  // `start` gets what was chosen, and returns a promise.
  constructor(start) {
    this.start = start;
    this.meters = new Map();
    this.byHand = false;
    byId("devices").addEventListener("change", () => (this.byHand = true));
    byId("file").addEventListener("input", () => this.onPath());
    byId("start-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  show(devices) {
    const chosen = new Set(this.byHand || byId("file").value ? this.chosen() : STANDARD);
    this.meters.clear();
    const focused = document.activeElement?.value;
    const groups = GROUPS.flatMap((group) => this.group(group, devices, chosen));
    byId("devices").replaceChildren(...groups);
    if (focused) byId("devices").querySelector(`input[value="${CSS.escape(focused)}"]`)?.focus();
  }

  level(status) {
    for (const meter of this.meters.get(status.device) ?? []) {
      const isHeard = status.state === "capturing" || status.state === "silent";
      meter.set(isHeard ? status.rms_dbfs : -120, isHeard ? status.peak_dbfs : -120);
      meter.element.hidden = !isHeard;
    }
  }

  group([kind, title, alias, aliasName], devices, chosen) {
    const found = devices.filter((device) => device.kind === kind);
    if (!found.length && !NOTHING[kind]) return [];
    const set = make("fieldset", "", make("legend", "", title));
    if (!found.length) set.append(make("p", "faint", NOTHING[kind]));
    const standard = found.find((device) => device.default);
    if (standard) set.append(this.row(alias, aliasName, standard.id, chosen, standard.name));
    for (const device of found) {
      if (device !== standard || found.length > 1) set.append(this.row(device.id, device.name, device.id, chosen));
    }
    return [set];
  }

  row(value, name, device, chosen, now = "") {
    const box = make("input");
    box.type = "checkbox";
    box.value = value;
    box.checked = chosen.has(value);
    const meter = new Meter();
    meter.element.hidden = true;
    this.meters.set(device, [...(this.meters.get(device) ?? []), meter]);
    const label = make("label", "device", box, make("span", "name", name, make("span", "now", now)), meter.element);
    label.title = device;
    return label;
  }

  chosen() {
    return [...byId("devices").querySelectorAll("input:checked")].map((box) => box.value);
  }

  async submit() {
    const path = byId("file").value.trim();
    const sources = [...this.chosen(), ...(path ? [`file:${path}`] : [])];
    const problem = byId("start-error");
    problem.replaceChildren();
    if (!sources.length) {
      problem.append(make("p", "error", "Choose something to listen to, or give a file."));
      return;
    }
    byId("start").disabled = true;
    try {
      await this.start({ sources, label: byId("label").value, engine: byId("engine").value, language: byId("language").value.trim() });
      byId("label").value = byId("file").value = "";
      this.onPath();
    } catch (error) {
      problem.append(make("p", "error", ...errorText(error)));
    } finally {
      byId("start").disabled = false;
    }
  }

  // A file is meant alone, unless devices were chosen by hand.
  onPath() {
    if (this.byHand) return;
    const isWanted = !byId("file").value;
    for (const box of byId("devices").querySelectorAll("input")) {
      box.checked = isWanted && STANDARD.includes(box.value);
    }
  }
}
