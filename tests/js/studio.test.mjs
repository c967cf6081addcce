// The studio: the cell of a pad, and the drawing that is kept in it.

import assert from "node:assert/strict";
import {test} from "node:test";
import {load} from "./load.mjs";

const {Keeper, cellOf} = await load("studio.js");
const VIEW = "application/vnd.jupyter.widget-view+json";

function cell(id, ...outputs) {
  const metadata = {};
  return {
    id, metadata,
    outputs: {toJSON: () => outputs},
    getMetadata: name => metadata[name],
    setMetadata(name, value) { metadata[name] = value; },
    deleteMetadata(name) { delete metadata[name]; },
  };
}

const manager = (...cells) => ({
  context: {model: {cells: {length: cells.length, get: n => cells[n]}}},
});

function storage() {
  const items = new Map();
  return {getItem: key => items.get(key) ?? null, setItem: (key, text) => items.set(key, text)};
}

test("the cell of a pad is the one with its view", () => {
  const text = {id: "text"}; // a cell of text has no outputs
  const other = cell("other", {data: {[VIEW]: {model_id: "b"}}}, {name: "stdout", text: "3"});
  const pad = cell("pad", {data: {[VIEW]: {model_id: "a"}}});
  assert.equal(cellOf(manager(text, other, pad), "a"), pad);
  assert.equal(cellOf(manager(text), "a"), undefined);
  assert.equal(cellOf(undefined, "a"), undefined); // a page without a notebook
});

test("a drawing is kept in the notebook and in the tab", () => {
  const pad = cell("pad");
  const tab = storage();
  const keeper = new Keeper("01_draw.ipynb", pad, tab);
  assert.equal(keeper.text, "");
  keeper.text = "strokes";
  assert.equal(pad.metadata.drawing, "strokes");
  assert.equal(new Keeper("01_draw.ipynb", cell("pad"), tab).text, "strokes"); // not saved
  assert.equal(new Keeper("01_draw.ipynb", pad, storage()).text, "strokes"); // the next day
  assert.equal(new Keeper("another.ipynb", cell("pad"), tab).text, "");
});

test("a cleared drawing doesn't come back from a notebook that isn't saved", () => {
  const tab = storage();
  const saved = cell("pad");
  saved.metadata.drawing = "strokes";
  new Keeper("x", cell("pad"), tab).text = "";
  assert.equal(new Keeper("x", saved, tab).text, "");
});

test("without a notebook, or in a browser that stores nothing, the rest works", () => {
  const {warn} = console;
  console.warn = () => {};
  const refuses = {getItem() { throw new Error("denied"); }, setItem() { throw new Error("denied"); }};
  const pad = cell("pad");
  const keeper = new Keeper("x", pad, refuses);
  keeper.text = "strokes";
  assert.equal(keeper.text, "strokes");
  const page = new Keeper("/", undefined, storage());
  page.text = "strokes";
  assert.equal(page.text, "strokes");
  console.warn = warn;
});
