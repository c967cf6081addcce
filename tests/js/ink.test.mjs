// The pad's ink: points and ranks of pointers, keys, and the events that Python must receive once.

import assert from "node:assert/strict";
import {afterEach, beforeEach, test} from "node:test";
import {load} from "./load.mjs";

const {Outbox, rank, rests, stepOfKey, toPoint} = await load("ink.js");

test("a pointer event becomes a point of the pad", () => {
  const box = {left: 10, top: 20, width: 200, height: 200};
  const event = {clientX: 60, clientY: 120, timeStamp: 12.345, pressure: 0.12345};
  assert.deepEqual(toPoint(event, box, [400, 400]), [100, 200, 12.3, 0.123]);
  const outside = {...event, clientX: -1000, clientY: 1000};
  assert.deepEqual(toPoint(outside, box, [400, 400]).slice(0, 2), [-200, 600]);
});

test("a pen ranks before a finger, a finger before a palm", () => {
  const [pen, mouse, finger, palm] = [
    rank({pointerType: "pen"}),
    rank({pointerType: "mouse", width: 90}),
    rank({pointerType: "touch", width: 20, height: 20}),
    rank({pointerType: "touch", width: 20, height: 60}),
  ];
  assert.ok(palm < finger && finger < mouse && mouse === pen);
  assert.equal(rank({pointerType: "unknown"}), mouse);
});

test("a hand that rests moves less than 4 px", () => {
  assert.ok(rests([[5, 5], [7, 7], [6, 4]]));
  assert.ok(!rests([[5, 5], [5, 9]]));
});

test("undo and redo have the usual keys", () => {
  const key = (name, more) => stepOfKey({key: name, ctrlKey: true, ...more});
  assert.equal(key("z"), "undo");
  assert.equal(key("z", {shiftKey: true}), "redo");
  assert.equal(key("y"), "redo");
  assert.equal(key("z", {ctrlKey: false, metaKey: true}), "undo");
  assert.equal(key("z", {ctrlKey: false}), undefined);
  assert.equal(key("z", {altKey: true}), undefined);
  assert.equal(key("a"), undefined);
});

test("Delete, Backspace and Escape clear, without other keys", () => {
  for (const name of ["Delete", "Backspace", "Escape"]) {
    assert.equal(stepOfKey({key: name}), "clear");
    assert.equal(stepOfKey({key: name, ctrlKey: true}), undefined);
    assert.equal(stepOfKey({key: name, altKey: true}), undefined);
  }
  assert.equal(stepOfKey({key: "z"}), undefined);
});

// --- the outbox: a kernel that answers when told, and a clock that moves when told ---------------

const real = {};
let clock, timers, model, outbox;

class Signal {
  connect() {}
  disconnect() {}
}

beforeEach(() => {
  for (const name of ["setTimeout", "setInterval", "clearTimeout", "clearInterval"])
    real[name] = globalThis[name];
  real.now = performance.now;
  [clock, timers] = [1000, []];
  performance.now = () => clock;
  globalThis.setTimeout = (action, ms) => timers.push({action, at: clock + ms});
  globalThis.setInterval = (action, every) => timers.push({action, at: clock + every, every});
  globalThis.clearTimeout = globalThis.clearInterval = id => { if (id) timers[id - 1] = null; };
  globalThis.fetch = async () => ({status: 200});
  const layout = {on: (_, answered) => { model.answer = answered; }};
  const kernel = {
    id: "k", status: "idle", connectionStatus: "connected", serverSettings: {baseUrl: "/"},
    statusChanged: new Signal(), connectionStatusChanged: new Signal(), tries: 0,
    async reconnect() { this.tries += 1; },
  };
  model = {
    sent: [], widget_manager: {kernel}, on: () => {},
    get: name => (name === "layout" ? layout : 22),
    send: message => model.sent.push(structuredClone(message)),
  };
  outbox = new Outbox(model);
});

afterEach(() => {
  outbox.close();
  performance.now = real.now;
  for (const name of ["setTimeout", "setInterval", "clearTimeout", "clearInterval"])
    globalThis[name] = real[name];
});

function pass(ms) {
  for (const end = clock + ms; clock < end; clock++)
    timers.forEach((timer, n) => {
      if (!timer || timer.at > clock) return;
      if (timer.every) timer.at += timer.every;
      else timers[n] = null;
      timer.action();
    });
}

const acknowledge = applied =>
  model.answer({client: outbox.client, applied, brush: 22, pen: false});

/** What Python applies: each event once, in order, from messages that may repeat or be lost. */
function applied(messages) {
  const events = [];
  for (const {first, events: some} of messages)
    if (first <= events.length) events.push(...some.slice(events.length - first));
  return events;
}

test("points of 16 ms share a message", () => {
  outbox.push({do: "begin", points: [[0, 0]]});
  outbox.points([[1, 1]]);
  outbox.points([[2, 2]]);
  assert.equal(model.sent.length, 1);
  pass(20);
  assert.equal(model.sent.length, 2);
  assert.deepEqual(model.sent[1], {
    client: outbox.client, first: 1, events: [{do: "move", points: [[1, 1], [2, 2]]}],
  });
});

test("without answers points wait, and share the next message", () => {
  outbox.push({do: "begin", points: [[0, 0]]});
  for (let n = 1; n <= 30; n++) {
    outbox.points([[n, n]]);
    pass(17);
  }
  assert.equal(model.sent.length, 8);
  acknowledge(8);
  assert.equal(model.sent.length, 9);
  const points = applied(model.sent).flatMap(event => event.points);
  assert.deepEqual(points, Array.from({length: 31}, (_, n) => [n, n]));
});

test("a silent kernel is called busy, and gets everything again", () => {
  outbox.push({do: "begin", points: [[0, 0]]});
  outbox.push({do: "end"});
  pass(600);
  assert.equal(outbox.said, "");
  pass(600);
  assert.equal(outbox.said, "busy");
  const before = model.sent.length;
  pass(2000);
  assert.ok(model.sent.length > before);
  assert.deepEqual(model.sent.at(-1).events.map(event => event.do), ["begin", "end"]);
  acknowledge(2);
  assert.equal(outbox.said, "");
  assert.equal(outbox.next, 2);
});

test("ink drawn while the connection is lost arrives once, in order", async () => {
  const {kernel} = model.widget_manager;
  outbox.push({do: "begin", points: [[0, 0]]});
  acknowledge(1);
  kernel.connectionStatus = "disconnected";
  const lost = model.sent.length;
  outbox.points([[1, 1]]);
  pass(20);
  outbox.push({do: "end"});
  pass(3000);
  assert.equal(outbox.said, "lost");
  await Promise.resolve();
  assert.ok(kernel.tries >= 1);
  kernel.connectionStatus = "connected";
  pass(3000);
  const arrived = applied([...model.sent.slice(0, lost), model.sent.at(-1)]);
  assert.deepEqual(arrived.map(event => event.do), ["begin", "move", "end"]);
});

test("a restarted kernel gets nothing more", () => {
  outbox.push({do: "begin", points: [[0, 0]]});
  model.widget_manager.kernel.status = "autorestarting";
  pass(1000);
  assert.equal(outbox.said, "restarted");
  const before = model.sent.length;
  outbox.push({do: "end"});
  assert.equal(model.sent.length, before);
});

test("answers to other pages change only the brush", () => {
  outbox.push({do: "begin", points: [[0, 0]]});
  model.answer({client: "another", applied: 1, brush: 9, pen: true});
  assert.equal(outbox.brush, 9);
  acknowledge(0);
  pass(3000);
  assert.deepEqual(model.sent.at(-1).events.map(event => event.do), ["begin"]);
});

test("a failing connection keeps the events", () => {
  const {send} = model;
  model.send = () => { throw new Error("no connection"); };
  const {warn} = console;
  console.warn = () => {};
  outbox.push({do: "clear"});
  model.send = send;
  pass(3000);
  console.warn = warn;
  assert.deepEqual(applied(model.sent), [{do: "clear"}]);
});
