// The extension of `make lab`: when it runs the cells of the drawing pad.

import assert from "node:assert/strict";
import {test} from "node:test";
import {load} from "./load.mjs";

await load("lab/digitlib/run.js");
const {default: plugin} = (await globalThis._JUPYTERLAB.digitlib.get())();
const VIEW = "application/vnd.jupyter.widget-view+json";
const MODEL = "pad"; // id of the widget that the cell shows
const WAIT = 5; // ms: everything below is done by then

class Signal {
  #actions = [];
  connect(action) { this.#actions.push(action); }
  emit(...values) { for (const action of this.#actions) action(...values); }
}

/** The parts of JupyterLab that the extension uses, with a notebook in front that it has opened. */
async function opened({path = "notebooks/01_draw.ipynb", trusted = true, source = "pad"} = {}) {
  const comms = {}; // of the kernel
  const ran = [];
  const kernel = {requestCommInfo: async () => kernel.lost ? new Promise(() => {}) : {content: {comms}}};
  const outputs = [];
  const cell = {model: {
    trusted,
    outputs: {toJSON: () => outputs},
    getMetadata: () => ["run-on-open"],
    sharedModel: {getSource: () => source},
  }};
  const [kernelChanged, statusChanged] = [new Signal(), new Signal()];
  const context = {path, model: {dirty: true}};
  const panel = {
    content: {widgets: [{model: {getMetadata: () => undefined, sharedModel: {getSource: () => ""}}}, cell]},
    context, sessionContext: {session: {kernel}, kernelChanged, statusChanged},
  };
  const app = {
    restored: Promise.resolve(),
    shell: {currentWidget: panel, currentChanged: new Signal()},
    commands: {async execute(command) {
      ran.push([command, panel.content.activeCellIndex]);
      outputs.splice(0, 1, {data: {[VIEW]: {model_id: MODEL}}});
      comms[MODEL] = {};
    }},
  };
  const settled = () => new Promise(done => setTimeout(done, WAIT));
  const lose = () => delete comms[MODEL];
  plugin.activate(app);
  await settled();
  return {app, panel, kernel, kernelChanged, statusChanged, context, ran, lose, settled};
}

const RUN = ["notebook:run-cell", 1];

test("the tagged cell runs once when its notebook opens, and nothing is unsaved", async () => {
  const lab = await opened();
  assert.deepEqual(lab.ran, [RUN]);
  assert.equal(lab.context.model.dirty, false);
  lab.app.shell.currentChanged.emit();
  await lab.settled();
  assert.deepEqual(lab.ran, [RUN]);
});

test("no other notebook runs, and no other code without trust", async () => {
  assert.deepEqual((await opened({path: "01_draw.ipynb"})).ran, []);
  assert.deepEqual((await opened({trusted: false, source: "import os"})).ran, []);
});

test("the cell runs again after a restart by the user, even right after a crash", async () => {
  const lab = await opened();
  lab.lose();
  for (const status of ["restarting", "autorestarting", "unknown", "restarting", "idle"])
    lab.statusChanged.emit(null, status); // the last "idle" is a late message of the first restart
  await lab.settled();
  assert.deepEqual(lab.ran, [RUN]); // the restart isn't done yet
  lab.kernelChanged.emit(null, {oldValue: lab.kernel, newValue: lab.kernel});
  await lab.settled();
  assert.deepEqual(lab.ran, [RUN, RUN]);
});

test("a kernel that loses the question of a run, right after a crash, runs once it has started", async () => {
  const lab = await opened();
  lab.lose();
  lab.kernel.lost = true;
  lab.kernelChanged.emit(null, {oldValue: lab.kernel, newValue: lab.kernel});
  await lab.settled();
  assert.deepEqual(lab.ran, [RUN]);
  lab.kernel.lost = false;
  lab.statusChanged.emit(null, "starting");
  lab.statusChanged.emit(null, "idle");
  await lab.settled();
  assert.deepEqual(lab.ran, [RUN, RUN]);
  lab.lose();
  lab.statusChanged.emit(null, "starting"); // a crash
  await lab.settled();
  assert.deepEqual(lab.ran, [RUN, RUN]);
});

test("a kernel that has died runs nothing by itself", async () => {
  const lab = await opened();
  lab.lose();
  for (const status of ["restarting", "autorestarting", "unknown", "busy", "idle"])
    lab.statusChanged.emit(null, status);
  await lab.settled();
  assert.deepEqual(lab.ran, [RUN]);
});

test("a notebook behind another one waits until it is in front", async () => {
  const lab = await opened();
  lab.lose();
  lab.app.shell.currentWidget = null;
  lab.kernelChanged.emit(null, {oldValue: lab.kernel, newValue: lab.kernel});
  await lab.settled();
  assert.deepEqual(lab.ran, [RUN]);
  lab.app.shell.currentWidget = lab.panel;
  lab.app.shell.currentChanged.emit();
  await lab.settled();
  assert.deepEqual(lab.ran, [RUN, RUN]);
});
