// The panels: sizes of pictures, and sentences about stored drawings.

import assert from "node:assert/strict";
import {test} from "node:test";
import {load} from "./load.mjs";

const {reduce} = await load("panels/picture.js");
const {describe} = await load("panels/my_drawings.js");

/** A browser whose canvas writes files of this size. */
function browser({width, height, written}) {
  const made = {};
  globalThis.createImageBitmap = async () => {
    if (!width) throw new Error("unknown format");
    return {width, height, close: () => {}};
  };
  globalThis.document.createElement = () => Object.assign(made, {
    getContext: () => ({drawImage: () => {}}),
    toBlob(done, kind) {
      made.kind = kind;
      done({size: written});
    },
  });
  return made;
}

test("small files are sent unchanged", async () => {
  browser({});
  const file = {size: 500_000, type: "image/jpeg"};
  assert.equal(await reduce(file), file);
});

test("a large photo is reduced to 2000 px", async () => {
  const canvas = browser({width: 4000, height: 3000, written: 300_000});
  assert.deepEqual(await reduce({size: 5_000_000, type: "image/jpeg"}), {size: 300_000});
  assert.deepEqual([canvas.width, canvas.height, canvas.kind], [2000, 1500, "image/jpeg"]);
  await reduce({size: 5_000_000, type: "image/png"}); // it may be transparent
  assert.equal(canvas.kind, "image/png");
});

test("a file stays as it is if the browser cannot make it smaller", async () => {
  const file = {size: 5_000_000, type: "image/heic"};
  for (const state of [{}, {width: 800, height: 600}, {width: 4000, height: 3000, written: 6_000_000}]) {
    browser(state);
    assert.equal(await reduce(file), file);
  }
});

test("a drawing is described by label and prediction", () => {
  assert.equal(describe({label: 7, predicted: 7}), "7, read correctly");
  assert.equal(describe({label: 10, predicted: 3}), "not a digit, read as 3");
  assert.equal(describe({label: 3, predicted: null}), "3");
});
