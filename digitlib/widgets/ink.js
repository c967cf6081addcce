// Ink at the pointer. The page draws each stroke at once. Python gets every point once, in order,
// keeps the drawing, and shows it on the canvas below, where it replaces this ink.

const GATHER = 16; // ms: points within this time share a message
const WINDOW = 8; // unanswered messages; more points wait and share the next message
const PATIENCE = 700; // ms without an answer until the page says so
const RESEND = 2000; // ms without an answer until the page sends everything again
const SHOWN = 100; // ms until the canvas below shows the ink from Python, at most

const RANK = {palm: 1, touch: 2, mouse: 3, pen: 3};
const PALM = 48; // px: wider than any fingertip
const REST = 4; // px: a resting hand moves less
const SHARPNESS = 2; // canvas pixels per px, as on the canvas below
const MARGIN = 0.5; // times the canvas: points farther outside are clipped

const KEYS = {z: "undo", Z: "redo", y: "redo", Y: "redo"}; // with Ctrl or Cmd
const PLAIN_KEYS = {Delete: "clear", Backspace: "clear", Escape: "clear"};
const EDITORS = "input, textarea, select, [contenteditable]"; // they have an undo of their own
const BUTTONS = {"dp-undo": "undo", "dp-redo": "redo", "dp-clear": "clear"};

const NOTES = {
  busy: "The kernel is busy. Your ink is kept.",
  lost: "Connection lost. Your ink is kept.",
  restarted: "The kernel has restarted. Run the cells again. Your drawing will be back.",
};

/** Rank of a pointer: a pen or mouse before a finger, a finger before a palm. */
export function rank({pointerType, width = 0, height = 0}) {
  const wide = Math.max(width, height) >= PALM && pointerType === "touch";
  return RANK[wide ? "palm" : pointerType] ?? RANK.mouse;
}

/** Do these points stay where they began? */
export function rests([[x, y], ...others]) {
  return others.every(point => Math.hypot(point[0] - x, point[1] - y) < REST);
}

/** The point of a pointer event on a canvas: x, y in px of the pad, ms since the page opened, and
    pressure from 0 to 1. */
export function toPoint(event, box, extent) {
  const place = (at, start, length, side) => {
    const value = ((at - start) * side) / length;
    return Math.round(100 * Math.min(Math.max(value, -MARGIN * side), (1 + MARGIN) * side)) / 100;
  };
  return [
    place(event.clientX, box.left, box.width, extent[0]),
    place(event.clientY, box.top, box.height, extent[1]),
    Math.round(10 * event.timeStamp) / 10,
    Math.round(1000 * event.pressure) / 1000,
  ];
}

/** The step that a key press asks for, if any. */
export function stepOfKey({key, ctrlKey, metaKey, altKey, shiftKey}) {
  if (altKey) return undefined;
  if (!(ctrlKey || metaKey)) return PLAIN_KEYS[key];
  return KEYS[shiftKey ? key.toUpperCase() : key];
}

/** The events of the page that Python has not acknowledged. */
export class Outbox extends EventTarget {
  client = [...crypto.getRandomValues(new Uint8Array(8))].map(byte => byte.toString(16)).join("");
  brush;
  said = ""; // the trouble that the views show
  shown = false; // a view has scrolled into sight
  #events = []; // the last one may still grow
  #first = 0; // number of the first of them
  #sent = 0; // number of the first that was never sent
  #messages = []; // unanswered: the number after the last event of each
  #since = null; // time of the last progress while something is unacknowledged
  #tried = 0; // time of the last message or attempt to reconnect
  #gone = false; // the kernel no longer knows this pad
  #timers = {};

  constructor(model) {
    super();
    this.model = model;
    this.brush = model.get("brush");
    // anywidget's own model drops all messages if the module took over two seconds to load.
    model.get("layout").on("msg:custom", answer => this.#answered(answer));
    model.on("comm_live_update", () => this.#watch());
    this.kernel = model.widget_manager?.kernel; // in JupyterLab
    this.kernel?.statusChanged.connect(this.#watch);
    this.kernel?.connectionStatusChanged.connect(this.#watch);
    this.#timers.watch = setInterval(() => this.#since && this.#watch(), PATIENCE / 2);
  }

  close() {
    clearInterval(this.#timers.watch);
    clearTimeout(this.#timers.flush);
    this.kernel?.statusChanged.disconnect(this.#watch);
    this.kernel?.connectionStatusChanged.disconnect(this.#watch);
  }

  /** Number of the next event. */
  get next() {
    return this.#first + this.#events.length;
  }

  /** Why there is no answer: a key of NOTES, or "". */
  get trouble() {
    if (this.#gone) return "restarted";
    if (this.kernel && this.kernel.connectionStatus !== "connected") return "lost";
    return this.#since && performance.now() - this.#since > PATIENCE ? "busy" : "";
  }

  /** Add points; they join the last event if it was not sent yet. */
  points(points) {
    const last = this.#events.at(-1);
    if (last?.points && this.next > this.#sent) last.points.push(...points);
    else this.#events.push({do: "move", points});
    this.#since ??= performance.now();
    this.#timers.flush ??= setTimeout(() => this.#flush(), GATHER);
  }

  /** Add an event and send it at once. */
  push(event) {
    this.#events.push(event);
    this.#since ??= performance.now();
    this.#send(this.#sent);
  }

  #flush() {
    this.#timers.flush = null;
    if (this.#messages.length < WINDOW) this.#send(this.#sent);
  }

  #send(first) {
    const events = this.#events.slice(first - this.#first);
    if (!events.length || this.#gone) return;
    this.#sent = this.next;
    this.#messages.push(this.#sent);
    this.#tried = performance.now();
    try {
      this.model.send({client: this.client, first, events});
    } catch (problem) {
      console.warn("The pad's ink is not sent yet:", problem); // kept, and sent again later
    }
  }

  /** JupyterLab's own attempts get rarer and stop, and they ignore that a kernel has ended. */
  async #reconnect() {
    this.#tried = performance.now();
    const {id, serverSettings} = this.kernel;
    try {
      const {status} = await fetch(`${serverSettings.baseUrl}api/kernels/${id}`, {cache: "no-store"});
      if (status === 404) this.#gone = true;
      else await this.kernel.reconnect();
    } catch (problem) {
      console.warn("The pad has no connection yet:", problem);
    }
    this.#watch();
  }

  #answered({client, applied, brush, pen}) {
    this.brush = brush;
    if (client !== this.client) return;
    if (applied > this.#first) this.#since = applied < this.next ? performance.now() : null;
    this.#events.splice(0, applied - this.#first);
    this.#first = Math.max(this.#first, applied);
    this.#messages = this.#messages.filter(end => end > applied);
    this.dispatchEvent(new CustomEvent("applied", {detail: {applied, pen}}));
    this.#flush();
    this.#watch();
  }

  #watch = () => {
    const status = this.kernel?.status;
    this.#gone ||= ["restarting", "autorestarting", "dead"].includes(status);
    const {trouble} = this;
    const late = this.#since && performance.now() - Math.max(this.#since, this.#tried) > RESEND;
    if (late && trouble === "lost") this.#reconnect();
    else if (late || (this.said === "lost" && trouble !== "lost")) {
      this.#messages = [];
      this.#send(this.#first);
    }
    if (this.said === trouble) return;
    this.said = trouble;
    this.dispatchEvent(new Event("trouble"));
  };
}

/** One view of the pad: handles the pointer and shows ink that Python does not show yet. */
class Layer {
  #strokes = []; // {points, end: number of its last event}
  #active = null; // the drawing pointer: {id, type, rank, stroke}
  #last = false; // the last press in the page was on this pad
  #pen = false; // a pen has drawn here

  constructor(model, el, outbox) {
    Object.assign(this, {el, outbox, extent: model.get("extent"), color: model.get("color")});
    el.classList.add("dp-ink");
    el.tabIndex = 0;
    el.setAttribute("role", "application");
    el.setAttribute("aria-label", "Canvas: draw here with mouse, pen or finger");
    this.canvas = document.createElement("canvas");
    [this.canvas.width, this.canvas.height] = this.extent.map(side => SHARPNESS * side);
    this.note = document.createElement("p");
    this.note.className = "dp-note";
    this.note.setAttribute("role", "status");
    this.answer = document.createElement("p"); // for screen readers
    this.answer.className = "dp-spoken";
    this.answer.setAttribute("aria-live", "polite");
    el.replaceChildren(this.canvas, this.note, this.answer);
    this.speak = () => { this.answer.textContent = model.get("said") ?? ""; };
    model.on("change:said", this.speak);
    this.model = model;
    this.#hold([]);
    this.#listen();
    this.#say();
    this.#show();
  }

  #listen() {
    const {signal} = (this.controller = new AbortController());
    const on = (target, name, action, more) =>
      target.addEventListener(name, action, {signal, ...more});
    on(this.el, "pointerdown", event => this.#down(event));
    on(this.el, "pointermove", event => this.#move(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
      on(this.el, name, event => this.#up(event));
    on(this.el, "contextmenu", event => this.#active && event.preventDefault());
    on(this.outbox, "applied", ({detail}) => this.#applied(detail));
    on(this.outbox, "trouble", () => this.#say());
    // This view is not inside the pad yet; its first event is.
    on(window, "keydown", event => this.#keyInPage(event), {capture: true});
    on(window, "pointerdown", ({target}) => {
      this.#last = Boolean(this.el.closest(".dp-pad")?.contains(target));
    }, {capture: true});
    on(window, "click", event => this.#press(event), {capture: true});
    on(window, "focusin", event => this.#skip(event.target));
  }

  /** The canvas below would trap the Tab key, so this layer takes its focus. */
  #skip(canvas) {
    if (!canvas.matches(".dp-canvas") || !this.el.closest(".dp-pad")?.contains(canvas)) return;
    canvas.tabIndex = -1;
    this.el.focus({preventScroll: true});
  }

  /** JupyterLab scrolls to the last cell it runs. Scroll a new pad into view, once. */
  #show() {
    if (this.outbox.shown || !this.outbox.kernel) return;
    this.outbox.shown = true;
    const laidOut = new ResizeObserver(() => {
      if (!this.el.clientHeight) return;
      laidOut.disconnect();
      this.el.closest(".dp-pad").scrollIntoView({block: "nearest"});
    });
    laidOut.observe(this.el);
  }

  remove() {
    this.controller.abort();
    this.model.off("change:said", this.speak);
  }

  // --- pen before finger before palm ---------------------------------------------------------

  #down(event) {
    if (event.button !== 0 || this.outbox.trouble === "restarted") return;
    const own = rank(event);
    this.#pen ||= event.pointerType === "pen";
    if (this.#pen && own === RANK.palm) return; // the hand that holds the pen
    if (this.#active) {
      const {rank: other, type, stroke} = this.#active;
      const resting = type === "touch" && rests(stroke.points);
      if (own < other || (own === other && !resting)) return;
      this.#withdraw();
    }
    event.preventDefault();
    this.el.focus({preventScroll: true, focusVisible: false});
    this.el.setPointerCapture(event.pointerId);
    const point = this.#point(event);
    const stroke = {points: [point], end: null, brush: this.outbox.brush};
    this.#active = {id: event.pointerId, type: event.pointerType, rank: own, stroke};
    this.#hold([...this.#strokes, stroke]);
    this.#paint(stroke, 0);
    this.outbox.push({do: "begin", points: [point]});
    stroke.begin = this.outbox.next;
  }

  #move(event) {
    if (event.pointerId !== this.#active?.id) return;
    const {stroke} = this.#active;
    const from = stroke.points.length;
    const parts = event.getCoalescedEvents?.() ?? [];
    for (const part of parts.length ? parts : [event]) {
      const point = this.#point(part);
      const last = stroke.points.at(-1);
      if (point[0] !== last[0] || point[1] !== last[1]) stroke.points.push(point);
    }
    if (stroke.points.length === from) return;
    this.#paint(stroke, from);
    this.outbox.points(stroke.points.slice(from));
  }

  #up(event) {
    if (event.pointerId !== this.#active?.id) return;
    this.#finish("end");
  }

  #finish(how) {
    this.outbox.push({do: how});
    this.#active.stroke.end = this.outbox.next;
    this.#active = null;
  }

  /** Cancel the stroke of a hand that rests on the canvas. */
  #withdraw() {
    this.#hold(this.#strokes.filter(stroke => stroke !== this.#active.stroke));
    this.#finish("cancel");
    this.#repaint();
  }

  #point(event) {
    return toPoint(event, this.canvas.getBoundingClientRect(), this.extent);
  }

  // --- ink -----------------------------------------------------------------------------------

  /** Draw a stroke from the point with this index. */
  #paint({points, brush}, from) {
    const ink = this.canvas.getContext("2d");
    ink.setTransform(SHARPNESS, 0, 0, SHARPNESS, 0, 0);
    ink.strokeStyle = ink.fillStyle = this.color;
    ink.lineCap = ink.lineJoin = "round";
    ink.lineWidth = brush;
    ink.beginPath();
    if (from === 0) {
      ink.arc(points[0][0], points[0][1], brush / 2, 0, 2 * Math.PI);
      ink.fill();
      ink.beginPath();
    }
    for (const [x, y] of points.slice(Math.max(from - 1, 0))) ink.lineTo(x, y);
    ink.stroke();
  }

  /** Set the strokes that only this page shows. */
  #hold(strokes) {
    this.#strokes = strokes;
    this.el.dataset.strokes = strokes.length;
  }

  #repaint() {
    const {width, height} = this.canvas; // WebKit would still show the old ink after reset()
    this.canvas.getContext("2d").clearRect(0, 0, width, height);
    for (const stroke of this.#strokes) this.#paint(stroke, 0);
  }

  #applied({applied, pen}) {
    const stroke = this.#active?.stroke;
    if (stroke && applied >= stroke.begin && !pen) { // undone or replaced while drawing
      this.#active = null;
      stroke.end = stroke.begin;
    }
    const shown = this.#strokes.filter(({end}) => end !== null && end <= applied);
    if (!shown.length) return;
    setTimeout(() => {
      this.#hold(this.#strokes.filter(each => !shown.includes(each)));
      this.#repaint();
    }, SHOWN);
  }

  #say() {
    const {trouble} = this.outbox;
    this.el.dataset.trouble = trouble;
    this.note.textContent = NOTES[trouble] ?? "";
  }

  // --- keys and buttons ----------------------------------------------------------------------

  /** Listen to the keys of the whole pad. Ctrl+Z also works while nothing else can use it. */
  #keyInPage(event) {
    const pad = this.el.closest(".dp-pad");
    if (pad?.contains(event.target)) {
      if (this.pad) return;
      this.pad = pad;
      pad.addEventListener("keydown", each => this.#key(each), {signal: this.controller.signal});
      return;
    }
    const free = event.target === document.body && this.#last;
    const under = pad?.matches(":hover") && !event.target.closest?.(EDITORS);
    if ((event.ctrlKey || event.metaKey) && (free || under)) this.#key(event);
  }

  /** Take the keys for the drawing, and no plain key reaches JupyterLab. */
  #key(event) {
    if (this.outbox.trouble === "restarted") return; // the cells are run again by key
    const command = event.ctrlKey || event.metaKey;
    const forDrawing = command || event.target.closest(".dp-body");
    const action = forDrawing && stepOfKey(event);
    if (action) {
      event.preventDefault();
      if (event.key === "Escape" && this.#active) this.#withdraw();
      else this.outbox.push({do: action});
    }
    if (action || !command) event.stopPropagation();
  }

  /** Send button clicks in order with the ink. */
  #press(event) {
    const button = event.target.closest?.("button");
    if (!button || !this.el.closest(".dp-pad")?.contains(button)) return;
    const name = Object.keys(BUTTONS).find(each => button.classList.contains(each));
    if (!name || button.disabled) return;
    event.stopPropagation();
    this.outbox.push({do: BUTTONS[name]});
  }
}

export default () => {
  let outbox;
  return {
    initialize({model}) {
      outbox = new Outbox(model);
      return () => outbox.close();
    },
    render({model, el}) {
      const layer = new Layer(model, el, outbox);
      return () => layer.remove();
    },
  };
};
