// A memory of corrected drawings, which moves predictions: digitlib/models/memory.py has the formula.

import {NO_DIGIT} from "digitlib.models.labels";
import {SAME, SHARPNESS, STRENGTH, TINY} from "digitlib.models.memory";

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
const expit = value => 1 / (1 + Math.exp(-value));

/** A vector scaled to length 1. */
function unit(vector) {
  const length = Math.max(Math.sqrt(dot(vector, vector)), 1e-12);
  return vector.map(value => value / length);
}

export class Memory {
  #stored = []; // {label, frame, embedding, id}

  get length() {
    return this.#stored.length;
  }

  /** Store a predicted drawing with its label, under the name of its record. */
  add({frame, embedding}, label, id) {
    this.#stored.push({label, frame, embedding: unit(embedding), id});
  }

  /** Forget the drawing with this name, or all. */
  remove(id) {
    this.#stored = id ? this.#stored.filter(stored => stored.id !== id) : [];
  }

  /** A prediction with the memory; `because` is set if its label changes. */
  adjust(found) {
    const stored = this.#stored, near = unit(found.embedding);
    const products = stored.map(({embedding}) => dot(embedding, near));
    let weights = products.map(product => STRENGTH * Math.exp(-SHARPNESS * (1 - product)));
    const same = weights.findLastIndex(weight => weight > SAME * STRENGTH);
    if (same >= 0) weights = weights.map((weight, i) => (i === same ? weight : 0));
    const moved = [...found.probabilities];
    let [digit, other] = [TINY, TINY]; // the largest weights
    stored.forEach(({label}, i) => {
      if (label === NO_DIGIT) other = Math.max(other, weights[i]);
      else [moved[label], digit] = [moved[label] + weights[i], Math.max(digit, weights[i])];
    });
    const {score, threshold} = found, total = moved.reduce((a, b) => a + b);
    const odds = (expit(score - threshold) + digit) / (other ** 2 / STRENGTH + expit(threshold - score));
    const result = found.with({
      probabilities: moved.map(share => share / total),
      score: Number.isFinite(threshold) ? threshold + Math.log(odds) : score,
    });
    if (result.label === found.label) return result;
    // The nearest one with this label, the last of equally near ones.
    const rank = i => (stored[i].label === result.label ? 2 : 0) + products[i]; // products are 0 to 1
    const nearest = stored.reduce((best, _, i) => (rank(i) >= rank(best) ? i : best), 0);
    return result.with({because: stored[nearest]});
  }
}
