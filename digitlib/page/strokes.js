// Pen strokes to frames: digitlib/preprocessing/strokes.py, to the last bit. A stroke is a list of
// points [x, y, …], x right, y down, in any unit. All numbers are float64, as in Python.

import {BOX_SIZE, FRAME_SIZE, MASS_CENTER} from "digitlib.preprocessing.frame";
import {LIFT, MANY, MARGIN, NUMBERS, PEN_WIDTH, ROUNDED, SMALLEST_SIDE} from "digitlib.preprocessing.strokes";
import {MAX_TAP_SIZE, MIN_PART_HEIGHT, MIN_TAP_GAP} from "digitlib.preprocessing.strokes";

const REACH = PEN_WIDTH / 2 + 0.5; // px from a line; farther pixels have no ink
const WINDOW = Math.floor(2 * REACH + 1) + 1; // px: side of the square that the pen reaches
const SIZE = BOX_SIZE + 2 * MARGIN;

/** The nearest whole number; of two equally near ones the even one, as in NumPy. */
const rint = value => value + 1.5 * 2 ** 52 - 1.5 * 2 ** 52;
const clip = (value, low, high) => Math.min(Math.max(value, low), high);

/** Left, top, right and bottom of points. */
function boundingBox(points) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
  }
  return box;
}
const corners = ([left, top, right, bottom]) => [[left, top], [right, bottom]];
const longerSide = ([left, top, right, bottom]) => Math.max(right - left, bottom - top);

/** Draw strokes as a frame with stroke direction and order: Float32Array, [4, 28, 28]. */
export function render(strokes) {
  const lines = linesBetween(strokes);
  const nearest = nearestLines(lines);
  const duration = lines.at(-1).time;
  const box = new Float64Array(4 * BOX_SIZE * BOX_SIZE);
  for (let row = 0, pixel = 0; row < BOX_SIZE; row++) {
    for (let column = 0; column < BOX_SIZE; column++, pixel++) {
      const line = lines[nearest[(row + MARGIN) * SIZE + column + MARGIN] % NUMBERS];
      const x = column + 0.5 - line.x, y = row + 0.5 - line.y;
      const along = clip(x * line.unitX + y * line.unitY, 0, line.length);
      const awayX = x - along * line.unitX, awayY = y - along * line.unitY;
      const ink = clip(REACH - Math.sqrt(awayX * awayX + awayY * awayY), 0, 1);
      const time = duration ? (line.time + along) * (2 / duration) - 1 : 0;
      [ink, ink * line.unitX, ink * line.unitY, ink * time].forEach((value, channel) => {
        box[channel * BOX_SIZE * BOX_SIZE + pixel] = value;
      });
    }
  }
  return place(box);
}

/** The lines between the points, in px of the box: start, direction, length, and time at the start.
    The last point of each stroke has a line of length 0. */
function linesBetween(strokes) {
  const [left, top, right, bottom] = boundingBox(strokes.flat());
  const side = Math.max(right - left, bottom - top);
  const scale = side ? (BOX_SIZE - PEN_WIDTH) / side : 0;
  const centerX = BOX_SIZE / 2 - ((right - left) * scale) / 2;
  const centerY = BOX_SIZE / 2 - ((bottom - top) * scale) / 2;
  const every = Math.ceil(strokes.flat().length / MANY);
  const lines = [];
  let time = 0;
  for (const stroke of strokes) {
    const last = stroke.length - 1;
    const points = stroke
      .filter((_, i) => i === last || i % every === 0)
      .map(([x, y]) => [(x - left) * scale + centerX, (y - top) * scale + centerY]);
    points.forEach(([x, y], i) => {
      const [nextX, nextY] = points[i + 1] ?? [x, y];
      const length = Math.sqrt((nextX - x) * (nextX - x) + (nextY - y) * (nextY - y));
      const unit = 1 / Math.max(length, SMALLEST_SIDE);
      lines.push({x, y, unitX: (nextX - x) * unit, unitY: (nextY - y) * unit, length, time});
      time += i + 1 < points.length ? length : LIFT;
    });
  }
  return lines;
}

/** For each pixel a key, the squared distance to the nearest line, rounded, and in its last digits
    the number of the line. Lines are compared in windows around parts of at most 1 px. */
function nearestLines(lines) {
  const keys = new Float64Array(SIZE * SIZE).fill(2 ** 60);
  lines.forEach(({x, y, unitX, unitY, length}, number) => {
    const parts = Math.max(Math.ceil(length), 1);
    for (let part = 0; part < parts; part++) {
      const middle = (part + 0.5) * (length / parts);
      const left = Math.ceil(x + unitX * middle - (REACH + 1));
      const top = Math.ceil(y + unitY * middle - (REACH + 1));
      for (let row = top; row < top + WINDOW; row++) {
        for (let column = left; column < left + WINDOW; column++) {
          const dx = column + 0.5 - x, dy = row + 0.5 - y;
          const along = dy * unitY + dx * unitX;
          const clipped = clip(along, 0, length);
          const square = clipped * (clipped - 2 * along) + (dy * dy + dx * dx);
          const pixel = (row + MARGIN) * SIZE + column + MARGIN;
          keys[pixel] = Math.min(keys[pixel], rint(square / ROUNDED) * NUMBERS + number);
        }
      }
    }
  });
  return keys;
}

/** Place the channels of the box in a frame, its center of mass in the middle: frame.place. */
function place(box) {
  const pixels = BOX_SIZE * BOX_SIZE;
  const levels = box.slice(0, pixels).map(ink => rint(ink * 255));
  let total = 0, sumX = 0, sumY = 0;
  levels.forEach((level, pixel) => {
    total += level;
    sumX += level * (pixel % BOX_SIZE);
    sumY += level * Math.floor(pixel / BOX_SIZE);
  });
  const [left, top] = [sumX, sumY].map(sum =>
    clip(rint(MASS_CENTER - sum / total), 0, FRAME_SIZE - BOX_SIZE));
  const frame = new Float32Array(4 * FRAME_SIZE * FRAME_SIZE);
  box.forEach((value, i) => {
    const [channel, pixel] = [Math.floor(i / pixels), i % pixels];
    const row = channel * FRAME_SIZE + top + Math.floor(pixel / BOX_SIZE);
    frame[row * FRAME_SIZE + left + (pixel % BOX_SIZE)] = channel ? value : levels[pixel] / 255;
  });
  return frame;
}

/** The strokes without short ones far from the digit, a palm's or finger's touches. */
export function dropStrayTaps(strokes) {
  const boxes = strokes.map(boundingBox);
  const largest = Math.max(...boxes.map(longerSide));
  const longer = boxes.filter(box => longerSide(box) > MAX_TAP_SIZE * largest);
  if (!longer.length || longer.length === boxes.length) return strokes;
  const [left, top, right, bottom] = boundingBox(longer.flatMap(corners));
  return strokes.filter((_, i) => {
    const [l, t, r, b] = boxes[i];
    const outside = Math.max(left - r, top - b, l - right, t - bottom);
    return outside <= MIN_TAP_GAP * largest;
  });
}

/** Whether the strokes may be several characters in a row. */
export function sideBySide(strokes) {
  const parts = [];
  for (const box of strokes.map(boundingBox).sort(([a], [b]) => a - b)) {
    const last = parts.at(-1);
    if (!last || box[0] > last[2]) parts.push(box);
    else parts[parts.length - 1] = boundingBox([last, box].flatMap(corners));
  }
  const height = ([, top, , bottom]) => bottom - top;
  const least = MIN_PART_HEIGHT * height(boundingBox(parts.flatMap(corners)));
  return parts.filter(part => height(part) >= least).length > 1;
}
