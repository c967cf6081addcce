// The answer as HTML and in words, as in digitlib/models/display.py and digitlib/widgets/answers.py.

import {NUMBERED, REJECTED, SURE} from "digitlib.models.display";
import {NO_DIGIT} from "digitlib.models.labels";
import {FRAME_SIZE} from "digitlib.preprocessing.frame";
import {FRAME} from "digitlib.widgets.answers";

const TOP = 3; // number of highlighted bars
const ONE_AT_A_TIME = "Draw one digit at a time.";
const ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"};

const escape = text => text.replace(/[&<>"']/g, sign => ENTITIES[sign]);
const percent = share => (share >= 0.9995 ? ">99.9 %" : `${(100 * share).toFixed(1)} %`);
const sureness = share => Object.entries(SURE).find(([least]) => share >= Number(least))[1];
const bar = share => `<i><u style="width:${(100 * share).toFixed(2)}%"></u></i>`;

/** Show the answer in an element. Its only text that isn't from here is an error's, escaped. */
export function showAnswer(element, prediction, error, state) {
  element.innerHTML = digitHtml(prediction, error, state);
}

/** The answer next to the canvas; `several`: there may be several digits. */
export function digitHtml(prediction, error, {pen = "up", several = false} = {}) {
  if (!prediction) return answerHtml(null, 0, {error, pen});
  const picture = `<img src="${frameUrl(prediction.frame)}" alt="${FRAME}" title="${FRAME}">`;
  const remark = becauseHtml(prediction) || (several ? ONE_AT_A_TIME : "");
  return answerHtml(prediction.probabilities, prediction.doubt, {picture, remark, error, pen});
}

function answerHtml(shares, doubt, {picture = "", remark = "", error = "", pen}) {
  const ranked = [...(shares ?? []).keys()].sort((a, b) => shares[b] - shares[a]).slice(0, TOP);
  const [best, ...others] = ranked;
  let state = error ? "failed" : shares ? "read" : "empty";
  let digit = "", verdict = "The answer appears here", detail = "Draw a digit, or try an example.";
  if (error) {
    [verdict, detail] = ["Not read", escape(error)];
  } else if (shares) {
    [digit, verdict] = [`<div class="dp-digit">${best}</div>`, sureness(shares[best])];
    const runners = others.filter(other => shares[other] >= NUMBERED);
    detail = remark || (runners.length ? `or perhaps ${runners.join(" or ")}` : "");
    if (doubt > 0.5) {
      [state, digit, verdict] = ["rejected", "", REJECTED[0]];
      detail = remark || `${REJECTED[1]} <b class="dp-digit">${best}</b>.`;
    }
  }
  const bars = (shares ?? Array(10).fill(0)).map((share, number) => {
    const text = share >= NUMBERED && state === "read" ? percent(share) : "";
    const rank = number === best ? "dp-best" : ranked.includes(number) && text ? "dp-top" : "";
    return `<li class="${rank}"><b>${number}</b>${bar(share)}<span>${text}</span></li>`;
  });
  const note = "Beyond the mark, your drawing counts as not a digit.";
  return `<div class="dp-answer" data-state="${state}" data-pen="${pen}"><div class="dp-head">` +
    `${digit}<div class="dp-verdict"><b>${verdict}</b><span>${detail}</span></div>${picture}</div>` +
    `<ol class="dp-bars" aria-label="probability of each digit">${bars.join("")}</ol>` +
    `<div class="dp-doubt" title="${note}"><b>not a digit</b>${bar(doubt)}</div></div>`;
}

/** The answer in words, for screen readers; empty without one. */
export function spoken(prediction, error, several) {
  if (error) return `Not read. ${error}`;
  if (!prediction) return "";
  const {rejected, digit, probabilities} = prediction;
  if (rejected) return `${REJECTED[0]}. ${REJECTED[1]} ${digit}.${several ? ` ${ONE_AT_A_TIME}` : ""}`;
  return `${digit}. ${sureness(probabilities[digit])}.`;
}

/** The stored drawing that decided: its picture and a phrase; empty if none did. */
function becauseHtml({because}) {
  if (!because) return "";
  const like = because.label === NO_DIGIT ? "a drawing you marked as not a digit" :
    `the ${because.label} you corrected`;
  return `<img class="dp-because" src="${frameUrl(because.frame)}" alt=""> like ${like}`;
}

/** The ink of a frame as a picture: a bitmap, because some browsers add noise to a canvas. */
function frameUrl(frame) {
  const head = [54, 40, FRAME_SIZE, -FRAME_SIZE, 1 | (24 << 16)]; // start of the pixels, size, …
  const file = new DataView(new ArrayBuffer(54 + 3 * FRAME_SIZE * FRAME_SIZE));
  [0x42, 0x4d].forEach((letter, i) => file.setUint8(i, letter));
  head.forEach((value, i) => file.setInt32(10 + 4 * i, value, true));
  for (let i = 0; i < 3 * FRAME_SIZE * FRAME_SIZE; i++)
    file.setUint8(54 + i, Math.round(255 * frame[Math.floor(i / 3)]));
  return `data:image/bmp;base64,${btoa(String.fromCharCode(...new Uint8Array(file.buffer)))}`;
}
