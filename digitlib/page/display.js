// The answer as HTML, word for word as in digitlib/models/display.py and digitlib/widgets/html.py.

import {NUMBERED} from "digitlib.models.display";
import {NO_DIGIT} from "digitlib.models.labels";
import {FRAME_SIZE} from "digitlib.preprocessing.frame";
import {FRAME, ONE_AT_A_TIME} from "digitlib.widgets.html";

const TOP = 3; // number of highlighted bars
const ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"};

const escape = text => text.replace(/[&<>"']/g, sign => ENTITIES[sign]);
const percent = share => (share >= 0.9995 ? ">99.9 %" : `${(100 * share).toFixed(1)} %`);
const bar = share => `<i><u style="width:${(100 * share).toFixed(2)}%"></u></i>`;

/** The answer beside the canvas. */
export function resultHtml(prediction, error, {pen = "up", several = false} = {}) {
  if (!prediction) return answerHtml(null, 0, {error, pen});
  const picture = `<img src="${frameUrl(prediction.frame)}" alt="${FRAME}" title="${FRAME}">`;
  const remark = becauseHtml(prediction) || (several ? ONE_AT_A_TIME : "");
  return answerHtml(prediction.probabilities, prediction.doubt, {picture, remark, error, pen});
}

function answerHtml(shares, doubt, {picture = "", remark = "", error = "", pen}) {
  const ranked = shares ? [...shares.keys()].sort((a, b) => shares[b] - shares[a]).slice(0, TOP) : [];
  const [best, ...others] = ranked;
  let state = error ? "failed" : shares ? "read" : "empty";
  let digit = "", verdict = "The answer appears here", detail = "as you draw or try an example";
  if (error) {
    [verdict, detail] = ["Not read", escape(error)];
  } else if (shares) {
    [digit, verdict] = [`<div class="dp-digit">${best}</div>`, percent(shares[best])];
    const runners = others.filter(other => shares[other] >= NUMBERED);
    const named = runners.map(other => `${other}: ${percent(shares[other])}`).join(", ");
    detail = remark || (named ? `or ${named}` : "confidence");
    if (doubt > 0.5) {
      [state, verdict, digit] = ["rejected", "Not a digit", ""];
      detail = `closest: <b class="dp-digit">${best}</b><br>${remark}`;
    }
  }
  const bars = (shares ?? Array(10).fill(0)).map((share, number) => {
    const text = share >= NUMBERED ? percent(share) : "";
    const top = ranked.includes(number) && text ? "dp-top" : "";
    return `<li class="${number === best ? "dp-best" : top}" title="${number}: ${percent(share)}">` +
      `<b>${number}</b>${bar(share)}<span>${text}</span></li>`;
  });
  const note = "Beyond the mark, the drawing counts as not a digit.";
  return `<div class="dp-answer" data-state="${state}" data-pen="${pen}"><div class="dp-head">` +
    `${digit}<div class="dp-verdict"><b>${verdict}</b><span>${detail}</span></div>${picture}</div>` +
    `<ol class="dp-bars" aria-label="probability of each digit">${bars.join("")}</ol>` +
    `<div class="dp-doubt" title="${note}"><b>not a digit</b>${bar(doubt)}</div></div>`;
}

/** The stored drawing that decided: its picture and a phrase; empty if none did. */
function becauseHtml({because}) {
  if (!because) return "";
  const like = because.label === NO_DIGIT ? "a drawing you marked as not a digit" :
    `the ${because.label} you corrected`;
  return `<img class="dp-because" src="${frameUrl(because.frame)}" alt=""> like ${like}`;
}

/** The ink of a frame as a picture: an uncompressed bitmap, because a canvas may add noise. */
function frameUrl(frame) {
  const head = [54, 40, FRAME_SIZE, -FRAME_SIZE, 1 | (24 << 16)]; // offset of the pixels, size …
  const file = new DataView(new ArrayBuffer(54 + 3 * FRAME_SIZE * FRAME_SIZE));
  [0x42, 0x4d].forEach((letter, i) => file.setUint8(i, letter));
  head.forEach((value, i) => file.setInt32(10 + 4 * i, value, true));
  for (let i = 0; i < 3 * FRAME_SIZE * FRAME_SIZE; i++)
    file.setUint8(54 + i, Math.round(255 * frame[Math.floor(i / 3)]));
  return `data:image/bmp;base64,${btoa(String.fromCharCode(...new Uint8Array(file.buffer)))}`;
}
