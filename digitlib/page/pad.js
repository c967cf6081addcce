// The drawing pad without a kernel. The notebook's ink.js sends its events to this page instead.

import {examples} from "digitlib.page.build";
import {INK, SHARPNESS} from "digitlib.widgets.canvas";
import {PREDICT_EVERY} from "digitlib.widgets.pad";
import ink from "../widgets/ink.js";
import {Correction} from "./correction.js";
import {showAnswer, spoken} from "./display.js";
import {attempt, toRecord} from "./drawing_file.js";
import {History} from "./history.js";
import {Recognizer} from "./recognizer.js";
import {sideBySide} from "./strokes.js";

const pad = document.querySelector(".dp-pad"), find = name => pad.querySelector(name);
const canvas = find(".dp-canvas"), result = find(".dp-result .widget-html-content");
const size = canvas.width / SHARPNESS; // px of the pad
const KEPT = "digitlib drawing"; // name of the drawing that a reload keeps
const history = new History(), recognizer = new Recognizer();
let brush = Number(find(".dp-brush :checked").value), prediction = null;

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
  pen.clearRect(0, 0, canvas.width, canvas.height);
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
  showAnswer(result, prediction, error, {pen: penDown ? "down" : "up", several});
  find(".dp-undo").disabled = !history.canUndo;
  find(".dp-redo").disabled = !history.canRedo;
  find(".dp-clear").disabled = !traces.length;
  find(".dp-save").style.display = prediction ? "" : "none";
  if (!penDown) {
    correction.refresh();
    values.said = spoken(prediction, error, several);
    listeners["change:said"]?.();
    attempt(() => sessionStorage.setItem(KEPT, JSON.stringify(traces)));
  }
  took = performance.now() - start;
}

/** Read the drawing soon while the pen is down, otherwise now. */
function changed() {
  if (!history.penDown) read();
  else timer ??= setTimeout(read, Math.max(1000 * PREDICT_EVERY, took));
}

// --- events ----------------------------------------------------------------------------------

const listeners = {}; // of ink.js, by event
const layout = {on: (name, listener) => { listeners[name] = listener; }};
const values = {extent: [size, size], brush, color: INK, layout, said: ""};
let client = "", applied = 0; // the name of ink.js, and the number of its events
const answer = () => listeners["msg:custom"]({client, applied, brush, pen: history.penDown});

/** For ink.js in place of a kernel: applies its events after the browser has shown the ink. */
const model = {
  get: name => values[name],
  on: layout.on,
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
  png() {
    const picture = Object.assign(document.createElement("canvas"), {width: size, height: size});
    const pen = picture.getContext("2d");
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, size, size);
    draw(pen, 1);
    return picture.toDataURL();
  },
  json() {
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
pad.addEventListener("click", ({target}) => {
  if (target.matches(".dp-example")) {
    history.replace(examples[target.textContent]);
    redraw();
    read();
  } else if (target.matches(".dp-save a")) {
    const kind = target.textContent.includes("PNG") ? "png" : "json";
    target.download = `${prediction.rejected ? "not-a-digit" : `digit-${prediction.digit}`}.${kind}`;
    target.href = save[kind]();
  }
});
history.replace(attempt(() => JSON.parse(sessionStorage.getItem(KEPT))) ?? []);
redraw();
read();
performance.mark("ready");
correction.recall();
// A browser compiles what runs often: without these, the first answer would be late.
for (const strokes of Object.values(examples)) setTimeout(() => recognizer.predictStrokes(strokes));
