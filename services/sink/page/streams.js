// How each stream of the shown session does: two lights, a level, three numbers, and what is wrong.

import { SPEECH, duration, errorText, kindOf, make, soundOf, voice } from "./text.js";

const QUIET_DBFS = -60;

// A level between 0 and 1 for a bar, quiet to full scale.
const part = (dbfs) => Math.min(1, Math.max(0, 1 - dbfs / QUIET_DBFS));

export class Meter {
  constructor() {
    this.bar = make("span", "bar");
    this.peak = make("span", "peak");
    this.element = make("span", "meter", this.bar, this.peak);
    this.element.setAttribute("aria-hidden", "true");
  }

  set(rmsDbfs, peakDbfs) {
    this.bar.style.transform = `scaleX(${part(rmsDbfs)})`;
    this.peak.style.transform = `translateX(${100 * part(peakDbfs)}%)`;
    this.element.classList.toggle("loud", peakDbfs > -1);
  }
}

export class Streams {
  constructor(list) {
    this.list = list;
    this.cards = new Map();
  }

  clear() {
    this.cards.clear();
    this.list.replaceChildren();
  }

  on(status) {
    let card = this.cards.get(status.source);
    if (!card) {
      card = new Card(status.source);
      this.cards.set(status.source, card);
      const order = [...this.cards.keys()].sort();
      const next = this.cards.get(order[order.indexOf(status.source) + 1]);
      this.list.insertBefore(card.element, next?.element ?? null);
    }
    card.on(status);
  }

  // The faults of the streams, by source.
  faults(bySource) {
    for (const [source, card] of this.cards) card.fault(bySource[source]);
  }
}

class Card {
  constructor(source) {
    this.sound = new Light("Sound");
    this.words = new Light("Words");
    this.meter = new Meter();
    this.numbers = make("p", "numbers");
    this.device = make("span", "device faint");
    this.error = make("p", "error");
    this.error.hidden = true;
    this.hint = make("p", "hint");
    this.hint.hidden = true;
    const name = make("span", "who", voice(source));
    const lights = make("div", "lights", this.sound.element, this.words.element);
    const top = make("div", "line", name, this.meter.element, this.device);
    this.element = make("li", kindOf(source), top, lights, this.numbers, this.hint, this.error);
  }

  on(status) {
    this.sound.set(soundOf(status));
    this.advise(status.hint ?? "");
    this.words.set(SPEECH[status.speech] ?? ["off", status.speech]);
    this.meter.set(status.rms_dbfs, status.peak_dbfs);
    if (this.device.textContent !== status.device) this.device.textContent = this.device.title = status.device;
    const { captured_ms: heard, sent_ms: sent, final_ms: final, lost_ms: lost } = status;
    const unsent = heard - sent < 50 ? "up to now" : `${duration(heard - sent)} behind`;
    const words = final ? `last words ${duration(heard - final)} ago` : "no words yet";
    const numbers = [`heard ${duration(heard)}`, `sent ${unsent}`, words, ...(lost ? [`${duration(lost)} missed`] : [])];
    this.numbers.textContent = numbers.map((number) => number.replaceAll(" ", "\u00a0")).join(" · ");
  }

  advise(hint) {
    if (this.hint.textContent === hint) return;
    this.hint.hidden = !hint;
    this.hint.textContent = hint;
  }

  fault(fault) {
    const text = fault ? fault.message + fault.hint : "";
    if (this.told === text) return;
    this.told = text;
    this.error.hidden = !fault;
    this.error.replaceChildren(...(fault ? errorText(fault) : []));
    if (fault?.retrying) this.error.append(" Causal tries again by itself.");
  }
}

class Light {
  constructor(name) {
    this.text = make("span");
    this.element = make("span", "light off", make("span", "dot"), `${name}: `, this.text);
  }

  set([colour, text]) {
    if (this.text.textContent === text) return;
    this.text.textContent = text;
    this.element.className = `light ${colour}`;
  }
}
