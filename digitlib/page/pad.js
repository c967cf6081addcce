// The drawing pad without a kernel. The notebook's ink.js sends its events to this page instead.

import {examples, settings} from "digitlib.page.build";
import {INK, SHARPNESS} from "digitlib.widgets.canvas";
import {PREDICT_EVERY} from "digitlib.widgets.pad";
import ink from "../widgets/ink.js";
import {Correction} from "./correction.js";
import {resultHtml} from "./display.js";
import {toRecord} from "./drawing_file.js";
import {StrokeHistory} from "./history.js";
import {Recognizer} from "./recognizer.js";
import {sideBySide} from "./strokes.js";

const root = document.querySelector(".dp-pad"), find = name => root.querySelector(name);
const canvas = find(".dp-canvas"), result = find(".dp-result .widget-html-content");
const history = new StrokeHistory(), recognizer = new Recognizer();
const {extent} = settings;
let {brush} = settings, prediction = null;

/** Draw all strokes with round ends; `scale` is in pixels of the canvas per px of the pad. */
function draw(pen, scale) {
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.strokeStyle = pen.fillStyle = INK;
  pen.lineCap = pen.lineJoin = "round";
  pen.lineWidth = brush;
  for (const trace of history.traces) {
    pen.beginPath();
    pen.arc(trace[0][0], trace[0][1], brush / 2, 0, 2 * Math.PI);
    pen.fill();
    pen.beginPath();
    for (const [x, y] of trace) pen.lineTo(x, y);
    pen.stroke();
  }
}

function redraw() {
  const pen = canvas.getContext("2d");
  pen.reset();
  draw(pen, SHARPNESS);
}

// --- answers ---------------------------------------------------------------------------------

let timer = null, took = 0; // ms of the last answer

/** Read the drawing and show the answer. */
function read() {
  timer = clearTimeout(timer);
  const start = performance.now(), {traces, penDown} = history;
  let error = "";
  prediction = null;
  try {
    if (traces.length) prediction = recognizer.predictStrokes(traces);
  } catch (problem) {
    error = `The drawing could not be read: ${problem.message}`;
  }
  const several = Boolean(prediction?.rejected) && sideBySide(traces);
  result.innerHTML = resultHtml(prediction, error, {pen: penDown ? "down" : "up", several});
  find(".dp-undo").disabled = !history.canUndo;
  find(".dp-redo").disabled = !history.canRedo;
  find(".dp-clear").disabled = !traces.length;
  find(".dp-save").style.display = prediction ? "" : "none";
  if (!penDown) correction.refresh();
  took = performance.now() - start;
}

/** Read the drawing soon while the pen is down, otherwise now. */
function changed() {
  if (!history.penDown) read();
  else timer ??= setTimeout(read, Math.max(1000 * PREDICT_EVERY, took));
}

// --- events ----------------------------------------------------------------------------------

let heard = () => {}, client = "", applied = 0; // ink.js listens; its name; number of its events
const answer = () => heard({client, applied, brush, pen: history.penDown});
const values = {extent, brush, color: INK, layout: {on: (_, listener) => { heard = listener; }}};

/** For ink.js in place of a kernel: applies its events after the browser has shown the ink. */
const model = {
  get: name => values[name],
  on() {},
  send: message => setTimeout(() => {
    client = message.client;
    for (const event of message.events) history[event.do](event.points);
    applied = message.first + message.events.length;
    if (message.events.some(event => event.do !== "begin" && event.do !== "move")) redraw();
    answer();
    changed();
  }),
};

/** The content of a file with the drawing, as an address. */
const save = {
  PNG() {
    const [width, height] = extent;
    const picture = Object.assign(document.createElement("canvas"), {width, height});
    const pen = picture.getContext("2d");
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    draw(pen, 1);
    return picture.toDataURL();
  },
  JSON() {
    const record = toRecord(history.traces, prediction, correction.label ?? prediction.label);
    return `data:application/json,${encodeURIComponent(`${JSON.stringify(record)}\n`)}`;
  },
};

const correction = new Correction(find(".dp-correction"), {
  recognizer, readAgain: read, get traces() { return history.traces; }, get prediction() { return prediction; },
});
const widget = ink();
widget.initialize({model});
widget.render({model, el: find(".dp-ink")});
find(".dp-brush").addEventListener("change", event => {
  brush = Number(event.target.value);
  answer();
  redraw();
});
root.addEventListener("click", ({target}) => {
  if (target.matches(".dp-example")) {
    history.replace(examples[target.textContent]);
    redraw();
    read();
  } else if (target.matches(".dp-save a")) {
    const kind = target.textContent, {rejected, digit} = prediction;
    target.download = `${rejected ? "not-a-digit" : `digit-${digit}`}.${kind.toLowerCase()}`;
    target.href = save[kind]();
  }
});
read();
performance.mark("ready");
