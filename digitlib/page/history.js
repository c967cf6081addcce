// Pen strokes with undo and redo: digitlib/widgets/history.py. A stroke is a list of points
// [x, y, ms, pressure]; examples have no time and pressure.

export class StrokeHistory {
  traces = []; // all strokes with the one in progress; a new list after each change
  penDown = false;
  #past = []; // steps to undo, the newest last: strokes removed and added
  #future = [];

  get canUndo() { return this.#past.length > 0; }
  get canRedo() { return this.#future.length > 0; }

  begin(points) {
    this.replace([[...points]], 0);
    this.penDown = true;
  }
  move(points) {
    if (!this.penDown) return;
    this.traces.at(-1).push(...points);
    this.traces = [...this.traces];
  }
  end() { this.penDown = false; }

  /** Remove the stroke in progress without an undo step. */
  cancel() {
    if (!this.penDown) return;
    this.#swap(this.#past.pop().added, []);
  }
  clear() { this.replace([]); }

  /** Replace the last strokes, all by default, as one step, unless nothing changes. */
  replace(added, count = this.traces.length) {
    if (!count && !added.length) return this.end();
    if (!this.traces.length) this.#past = [];
    const step = {removed: this.traces.slice(this.traces.length - count), added};
    this.#past.push(step);
    this.#future = [];
    this.#swap(step.removed, added);
  }
  undo() {
    const step = this.#past.pop();
    if (step) this.#future.push(step);
    this.#swap(step?.added ?? [], step?.removed ?? []);
  }
  redo() {
    const step = this.#future.pop();
    if (step) this.#past.push(step);
    this.#swap(step?.removed ?? [], step?.added ?? []);
  }
  #swap(removed, added) {
    this.penDown = false;
    this.traces = [...this.traces.slice(0, this.traces.length - removed.length), ...added];
  }
}

/** Traces with time starting at 0, because the time of the page is private. */
export function fromZero(traces) {
  const start = traces.find(([point]) => point.length === 4)?.[0][2] ?? 0;
  return traces.map(trace => trace.map(([x, y, ...pen]) => [x, y, ...pen.map((v, i) => (i ? v : v - start))]));
}
