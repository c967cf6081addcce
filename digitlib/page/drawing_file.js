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

export class DrawingFile {
  refused = false; // the browser stores nothing for this page, or has no room
  #drawings = []; // then they last until the page is left

  /** All drawings, in the order in which they were stored. */
  read() {
    return this.#try(() => {
      if (!this.refused) this.#drawings = (localStorage.getItem(KEY) ?? "").split("\n").flatMap(parse);
    });
  }

  /** Store a drawing in place of the one with its id, if any. */
  put(drawing) {
    this.delete(drawing.id, drawing);
  }

  /** Remove the drawing with this id, or all without one, and store others. */
  delete(id, ...added) {
    this.#drawings = [...this.read().filter(drawing => id && drawing.id !== id), ...added];
    const lines = this.#drawings.map(drawing => JSON.stringify(drawing));
    this.#try(() => localStorage.setItem(KEY, lines.join("\n")));
  }

  #try(action) {
    try {
      action();
    } catch { // private mode, no permission, no room
      this.refused = true;
    }
    return this.#drawings;
  }
}

/** The drawing in a line, in a list; an empty list for a damaged line. */
function parse(line) {
  try {
    const drawing = JSON.parse(line), points = drawing.strokes.flat();
    const known = Number.isInteger(drawing.label) && drawing.label >= 0 && drawing.label <= NO_DIGIT;
    return known && points.length && points.flat().every(Number.isFinite) ? [drawing] : [];
  } catch {
    return [];
  }
}
