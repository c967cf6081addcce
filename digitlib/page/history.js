// Pen strokes with undo and redo: digitlib/widgets/history.py. A stroke is a list of points
// [x, y, ms, pressure]; examples have no time and pressure.

export class History {
  traces = []; // all strokes with the one in progress; a new list after each change
  penDown = false;
  #past = []; // to undo, the newest last
  #future = []; // to redo

  get canUndo() { return this.#past.length > 0; }
  get canRedo() { return this.#future.length > 0; }

  begin(points) {
    this.#step([...this.traces, points]);
    this.penDown = true;
  }
  move(points) {
    if (this.penDown) this.traces = [...this.traces.slice(0, -1), [...this.traces.at(-1), ...points]];
  }
  end() { this.penDown = false; }

  /** Remove the stroke in progress without an undo step. */
  cancel() {
    if (this.penDown) this.traces = this.#past.pop();
    this.end();
  }

  /** Set other strokes as one step, unless there are none before and after. */
  replace(traces) {
    this.end();
    if (traces.length || this.traces.length) this.#step(traces);
  }
  clear() { this.replace([]); }
  undo() { this.#turn(this.#past, this.#future); }
  redo() { this.#turn(this.#future, this.#past); }

  #step(traces) {
    if (!this.traces.length) this.#past = [];
    this.#past.push(this.traces);
    this.#future = [];
    this.traces = traces;
  }
  #turn(from, to) {
    this.end();
    if (!from.length) return;
    to.push(this.traces);
    this.traces = from.pop();
  }
}

/** Traces with time starting at 0, because the time of the page is private. */
export function fromZero(traces) {
  const start = traces.find(([point]) => point.length === 4)?.[0][2] ?? 0;
  return traces.map(trace => trace.map(([x, y, ...pen]) => [x, y, ...pen.map((v, i) => (i ? v : v - start))]));
}
