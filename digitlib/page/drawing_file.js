// Stored drawings, a line of JSON each as in digitlib/datasets/drawing_file.py, in this browser.

import {DECIMALS} from "digitlib.datasets.drawing";
import {NO_DIGIT} from "digitlib.models.labels";
import {weights} from "digitlib.page.graph";
import {fromZero} from "./history.js";

const KEY = "digitlib drawings";

/** A drawing with its label and its prediction, with the names of drawing.Drawing. */
export function toRecord(traces, {probabilities, score, rejected}, label) {
  const round = value => Math.round(value * 10 ** DECIMALS) / 10 ** DECIMALS;
  const id = [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, "0"));
  return {
    id: id.join(""), time: new Date().toISOString().replace(/\.\d+Z/, "+00:00"), label,
    strokes: fromZero(traces).map(stroke => stroke.map(point => point.map(round))),
    prediction: {probabilities, score, rejected}, weights,
  };
}

/** What an action returns; undefined if it fails, as where the browser stores nothing. */
export function attempt(action) {
  try {
    return action();
  } catch (problem) {
    console.warn("A drawing is not kept:", problem);
    return undefined;
  }
}

export class DrawingFile {
  refused = false; // the browser stores nothing: drawings last until the page is left
  #drawings = [];

  constructor() { this.read(); }
  get length() { return this.#drawings.length; }

  /** All drawings, in the order in which they were stored, also by other tabs. */
  read() {
    const lines = this.refused ? undefined : attempt(() => localStorage.getItem(KEY) ?? "");
    this.refused = lines === undefined;
    if (!this.refused) this.#drawings = lines.split("\n").flatMap(parse);
    return this.#drawings;
  }

  /** Store a drawing in place of the one with its id, if any. */
  put(drawing) { this.#write([...this.#others(drawing.id), drawing]); }

  /** Remove the drawing with this id, or all. */
  delete(id) { this.#write(id ? this.#others(id) : []); }

  #others(id) { return this.read().filter(drawing => drawing.id !== id); }

  #write(drawings) {
    this.#drawings = drawings;
    const lines = drawings.map(drawing => JSON.stringify(drawing)).join("\n");
    this.refused = attempt(() => localStorage.setItem(KEY, lines) ?? true) === undefined;
  }
}

/** The drawing in a line, in a list; an empty list for a damaged line. */
function parse(line) {
  const drawing = attempt(() => JSON.parse(line || "{}"));
  const points = drawing?.strokes?.flat?.() ?? [], labels = [...Array(NO_DIGIT + 1).keys()];
  const drawn = points.length && points.every(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  return drawn && labels.includes(drawing.label) ? [drawing] : [];
}
