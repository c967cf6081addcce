// Strokes in, predictions out: digitlib/models/recognizer.py and prediction.py.

import {NO_DIGIT} from "digitlib.models.labels";
import {graph, thresholds} from "digitlib.page.graph";
import {FRAME_SIZE} from "digitlib.preprocessing.frame";
import {Memory} from "./memory.js";
import {Network} from "./network.js";
import {dropStrayTaps, render} from "./strokes.js";

/** The result for one drawing: probabilities, score, threshold, frame, embedding, because. */
export class Prediction {
  constructor(values) { Object.assign(this, values); }
  with(changes) { return new Prediction({...this, ...changes}); }

  get rejected() { return this.score < this.threshold; }
  get digit() { return this.probabilities.indexOf(Math.max(...this.probabilities)); }
  get label() { return this.rejected ? NO_DIGIT : this.digit; }

  /** Doubt that the drawing is a digit, 0 to 1: 0.5 at the threshold, more below it. */
  get doubt() { return (1 - Math.tanh((this.score - this.threshold) / 2)) / 2; }
}

export class Recognizer {
  memory = new Memory();
  #network = new Network(graph);

  /** Read the digit drawn by strokes. */
  predictStrokes(strokes) {
    const frame = render(dropStrayTaps(strokes));
    const {probabilities, score, embedding} = this.#network.run(frame);
    const drawn = frame.subarray(FRAME_SIZE * FRAME_SIZE).some(value => value !== 0); // not only a dot
    const found = new Prediction({
      frame, probabilities: [...probabilities.data], score: score.data[0], embedding: embedding.data,
      threshold: (drawn ? thresholds.strokes : thresholds.pictures) ?? -Infinity,
    });
    return this.memory.length ? this.memory.adjust(found) : found;
  }
}
