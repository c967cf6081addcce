// Ink at the pointer. The page draws each stroke at once; Python gets every point, in order, once,
// keeps the drawing, and shows it on the canvas below, where it takes the place of this ink.

const GATHER = 16; // ms: points of so long share a message
const WINDOW = 8; // messages without an answer; further points wait and share the next one
const PATIENCE = 700; // ms without an answer until it is said
const RESEND = 2000; // ms without an answer until everything is sent again
const SHOWN = 100; // ms that the canvas below takes at most to show what Python has drawn on it

const RANK = {palm: 1, touch: 2, mouse: 3, pen: 3};
const PALM = 48; // px: no fingertip is so wide
const REST = 4; // px: a hand at rest moves less
const SHARPNESS = 2; // canvas pixels per px, as on the canvas below
const MARGIN = 0.5; // part of the canvas: so far outside it points are kept as they are

const KEYS = {z: "undo", Z: "redo", y: "redo", Y: "redo"};
const BUTTONS = {"dp-undo": "undo", "dp-redo": "redo", "dp-clear": "clear"};

const NOTES = {
  busy: "The kernel is busy: your ink is kept.",
  lost: "Connection lost: your ink is kept.",
  restarted: "The kernel has restarted: run the cells again.",
  ended: "The connection has ended: reload the page.",
};

/** What the page has done and Python has not acknowledged. */
class Outbox extends EventTarget {
  client = [...crypto.getRandomValues(new Uint8Array(8))].map(byte => byte.toString(16)).join("");
  brush;
  said = ""; // the trouble that the views show
  shown = false; // a view has been
  #events = []; // the last one may still grow
  #first = 0; // number of the first of them
  #sent = 0; // number of the first that was never sent
  #messages = []; // on the way: how far each goes
  #since = null; // of the last progress, while something is unacknowledged
  #tried = 0; // when something was sent last, or the connection sought
  #gone = false; // the kernel knows nothing of this pad any more
  #timers = {};

  constructor(model) {
    super();
    this.model = model;
    this.brush = model.get("brush");
    // Anywidget's own model drops all messages if the module took over two seconds to load.
    model.get("layout").on("msg:custom", answer => this.#answered(answer));
    model.on("comm_live_update", () => this.#watch());
    this.kernel = model.widget_manager?.kernel; // JupyterLab and Voilà
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

  /** Number of the event that comes next. */
  get next() {
    return this.#first + this.#events.length;
  }

  /** Why no answer comes: a key of NOTES, or nothing. */
  get trouble() {
    const page = Boolean(document.body.dataset.voila);
    if (this.#gone) return page ? "ended" : "restarted";
    if (this.kernel && this.kernel.connectionStatus !== "connected") return "lost";
    return this.#since && performance.now() - this.#since > PATIENCE ? "busy" : "";
  }

  /** Points join the last event while it has not been sent. */
  points(points) {
    const last = this.#events.at(-1);
    if (last?.points && this.next > this.#sent) last.points.push(...points);
    else this.#events.push({do: "move", points});
    this.#since ??= performance.now();
    this.#timers.flush ??= setTimeout(() => this.#flush(), GATHER);
  }

  /** An event that does not wait. */
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
      console.warn("The pad's ink is not sent yet:", problem); // it stays, and is sent again
    }
  }

  /** JupyterLab itself tries at ever longer intervals, not for ever, and also for a kernel that
      the server has ended. */
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

/** One view of the pad: takes the pointer, shows the ink that Python does not show yet. */
class Layer {
  #strokes = []; // {points, end: number of the event that ends it}
  #active = null; // the pointer that draws: {id, rank, start, rests, stroke}

  constructor(model, el, outbox) {
    Object.assign(this, {el, outbox, extent: model.get("extent"), color: model.get("color")});
    el.classList.add("dp-ink");
    el.tabIndex = 0;
    el.setAttribute("role", "application");
    const [width, height] = this.extent;
    el.setAttribute("aria-label", `Canvas: draw ${width > height ? "a row of digits" : "a digit"}`);
    this.canvas = document.createElement("canvas");
    [this.canvas.width, this.canvas.height] = this.extent.map(side => SHARPNESS * side);
    this.note = document.createElement("p");
    this.note.className = "dp-note";
    this.note.setAttribute("role", "status");
    el.replaceChildren(this.canvas, this.note);
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
    // The pad around this view is known once an event comes from it.
    on(window, "keydown", event => this.#adopt(event.target), {capture: true});
    on(window, "click", event => this.#press(event), {capture: true});
    on(window, "focusin", event => this.#skip(event.target));
  }

  /** The canvas below would keep the Tab key: this layer stands for it. */
  #skip(canvas) {
    if (!canvas.matches(".dp-canvas") || !this.el.closest(".dp-pad")?.contains(canvas)) return;
    canvas.tabIndex = -1;
    this.el.focus({preventScroll: true});
  }

  /** JupyterLab has scrolled to the last cell that it runs: a new pad comes into view, once. */
  #show() {
    if (this.outbox.shown || document.body.dataset.voila) return;
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
  }

  // --- pen before finger before palm ---------------------------------------------------------

  #down(event) {
    if (event.button !== 0 || this.outbox.trouble in {restarted: 1, ended: 1}) return;
    const wide = Math.max(event.width, event.height) >= PALM && event.pointerType === "touch";
    const rank = RANK[wide ? "palm" : event.pointerType] ?? RANK.mouse;
    if (this.#active) {
      if (rank < this.#active.rank || (rank === this.#active.rank && !this.#rests())) return;
      this.#withdraw();
    }
    event.preventDefault();
    this.el.focus({preventScroll: true, focusVisible: false});
    this.el.setPointerCapture(event.pointerId);
    const point = this.#point(event);
    const stroke = {points: [point], end: null, brush: this.outbox.brush};
    this.#active = {id: event.pointerId, type: event.pointerType, rank, stroke};
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

  /** A hand lies on the canvas where a finger or a pen wants to draw. */
  #withdraw() {
    this.#hold(this.#strokes.filter(stroke => stroke !== this.#active.stroke));
    this.#finish("cancel");
    this.#repaint();
  }

  #rests() {
    if (this.#active.type !== "touch") return false;
    const [[x, y], ...rest] = this.#active.stroke.points;
    return rest.every(point => Math.hypot(point[0] - x, point[1] - y) < REST);
  }

  /** x, y in px of the pad, ms since the page opened, pressure from 0 to 1. */
  #point(event) {
    const box = this.canvas.getBoundingClientRect();
    const place = (at, start, length, side) => {
      const value = ((at - start) * side) / length;
      return Math.round(100 * Math.min(Math.max(value, -MARGIN * side), (1 + MARGIN) * side)) / 100;
    };
    return [
      place(event.clientX, box.left, box.width, this.extent[0]),
      place(event.clientY, box.top, box.height, this.extent[1]),
      Math.round(10 * event.timeStamp) / 10,
      Math.round(1000 * event.pressure) / 1000,
    ];
  }

  // --- ink -----------------------------------------------------------------------------------

  /** Draw a stroke from its point of this number on. */
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

  /** The strokes that only this page shows. */
  #hold(strokes) {
    this.#strokes = strokes;
    this.el.dataset.strokes = strokes.length;
  }

  #repaint() {
    this.canvas.getContext("2d").reset();
    for (const stroke of this.#strokes) this.#paint(stroke, 0);
  }

  #applied({applied, pen}) {
    const stroke = this.#active?.stroke;
    if (stroke && applied >= stroke.begin && !pen) { // undone or replaced in mid-stroke
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
    if (trouble !== "ended") return;
    const button = document.createElement("button");
    button.textContent = "Reload";
    button.addEventListener("click", () => location.reload());
    this.note.append(" ", button);
  }

  // --- keys and buttons ----------------------------------------------------------------------

  /** The pad's undo and redo, wherever in it the focus is; no other key alone leaves it. */
  #adopt(target) {
    const pad = this.el.closest(".dp-pad");
    if (this.pad || !pad?.contains(target)) return;
    this.pad = pad;
    const {signal} = this.controller;
    pad.addEventListener("keydown", event => this.#key(event), {signal});
  }

  #key(event) {
    const command = event.ctrlKey || event.metaKey;
    const action = command && !event.altKey && KEYS[event.shiftKey ? event.key.toUpperCase() : event.key];
    if (action) {
      event.preventDefault();
      this.outbox.push({do: action});
    }
    if (action || !command) event.stopPropagation();
  }

  /** Buttons take the way of the ink, or they could overtake it. */
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
