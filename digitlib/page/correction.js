// The row below the pad where you give the right label: digitlib/widgets/correction.py. Corrected
// drawings are stored in this browser.

import {NO_DIGIT} from "digitlib.models.labels";
import {QUESTION, RECALLED} from "digitlib.widgets.correction";
import {DrawingFile, toRecord} from "./drawing_file.js";

const SAVED = "This saves your drawing in this browser.";
const REFUSED = "This browser can't save it. The pad remembers your drawing until you leave the page.";
const SLICE = 8; // ms of work between two breaks, so that ink never waits

/** A new element with properties and children. */
function make(kind, properties = {}, ...children) {
  const element = Object.assign(document.createElement(kind), properties);
  element.append(...children);
  return element;
}

const labelName = label => (label === NO_DIGIT ? "not a digit" : `${label}`);

export class Correction {
  #file = new DrawingFile();
  #last = null; // the last click: {traces, record, before}

  /** `pad` has the traces, their prediction, a recognizer and readAgain. */
  constructor(row, pad) {
    this.pad = pad;
    const find = name => row.querySelector(name);
    this.buttons = [...row.querySelectorAll(".dp-label")];
    this.question = find(".dp-question .widget-html-content");
    this.message = find(".dp-message .widget-html-content");
    this.undo = find(".dp-saved .dp-action");
    const button = make("button", {type: "button", className: "dp-action", textContent: "Forget all"});
    this.stored = make("span");
    this.forget = make("p", {className: "dp-forget"}, this.stored, " ", button);
    row.parentElement.append(this.forget);
    this.buttons.forEach((button, label) => button.addEventListener("click", () => this.#label(label)));
    this.undo.addEventListener("click", () => this.#undoLast());
    button.addEventListener("click", () => {
      if (confirm(`Forget all corrected drawings (${this.#file.length})? You can't undo this.`)) this.#remove();
    });
  }

  /** The label that the drawing on the pad was given, if any. */
  get label() {
    return this.#last?.traces === this.pad.traces ? this.#last.record.label : undefined;
  }

  /** Mark the answer's button and the chosen one. */
  refresh() {
    if (this.#last && this.label === undefined) this.#say(""); // it was about another drawing
    this.buttons.forEach((button, label) => {
      button.classList.toggle("dp-answered", label === this.pad.prediction?.label);
      button.setAttribute("aria-pressed", button.classList.toggle("dp-chosen", label === this.label));
    });
    this.question.textContent = `${QUESTION} ${this.#file.refused ? REFUSED : SAVED}`;
    this.forget.hidden = !this.#file.length;
    this.stored.textContent = `Corrected drawings: ${this.#file.length}`;
  }

  /** Put the stored drawings in the memory, in breaks of other work. */
  async recall() {
    const {recognizer, readAgain} = this.pad;
    let start = performance.now();
    for (const {id, label, strokes} of this.#file.read().slice(-RECALLED)) {
      recognizer.memory.add(recognizer.predictStrokes(strokes), label, id);
      if (performance.now() - start < SLICE) continue;
      await new Promise(resolve => setTimeout(resolve));
      start = performance.now();
    }
    if (recognizer.memory.length) readAgain();
  }

  /** Remember the drawing with its label, or change its label. */
  #label(label) {
    const {traces, prediction} = this.pad;
    const before = this.label === undefined ? null : this.#last.record;
    this.#store({traces, record: before ? {...before, label} : toRecord(traces, prediction, label), before});
  }

  #undoLast() {
    const {traces, record, before} = this.#last;
    if (before) this.#store({traces, record: before, before: null});
    else this.#remove(record.id);
  }

  #store(last) {
    const {record} = last, {label} = record, {recognizer, prediction, readAgain} = this.pad;
    this.#file.put(record);
    recognizer.memory.remove(record.id);
    recognizer.memory.add(prediction, label, record.id);
    const then = label === NO_DIGIT ? "rejected" : `read as ${label}`;
    const done = `${this.#file.refused ? "Remembered" : "Saved"} as ${labelName(label)}.`;
    this.#say(`${done} Similar drawings will be ${then}.`, last);
    readAgain();
  }

  /** Forget the drawing with this id, or all. */
  #remove(id) {
    this.#file.delete(id);
    this.pad.recognizer.memory.remove(id);
    this.#say("Forgotten.");
    this.pad.readAgain();
  }

  /** Show what was done, with an undo button if there is a last correction. */
  #say(sentence, last = null) {
    this.#last = last;
    this.undo.style.display = last ? "" : "none";
    const said = make("p", {textContent: sentence});
    said.setAttribute("role", "status");
    this.message.replaceChildren(...(sentence ? [said] : []));
  }
}
