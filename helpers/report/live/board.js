// A hole in a picture, painted by the reader, and its fillings by one decoding and by a chain.

import {
  ARROWS, SIDE, button, choices, clamp, digitCanvas, framed, identifier, invitation, isStill, make, number, paint, randomness, smallCanvas,
} from "./common.js";
import { bytes } from "./engine.js";

const NEARLY_ONE = Math.fround(1 - 1e-7); // probabilities are kept this far from 1, as `helpers.losses` does in float32

// A chain of fillings: fill the hole with zeros, encode, draw z, decode, fill the hole with what was decoded, encode
// again, and so on. "pseudo-gibbs" takes every draw (Rezende et al. 2014, appendix F). "metropolis" takes a draw z'
// in place of z with probability min{1, p(visible, z') q(z | filled by z') / p(visible, z) q(z' | filled by z)}, which
// leaves p(z | visible) as it is (after Mattei & Frellsen 2018); it cannot leave a bad start, so its first `warm` steps
// are pseudo-Gibbs too. `mean` is the mean of the fillings after these.
export const chain = ({ encoder, decoder, loss, warm_up: warm }, digit, hole, method, { normal, uniform }) => {
  const fit = loss === "bce"
    ? (x, p) => x * Math.log(clamp(p, 1e-7, NEARLY_ONE)) + (1 - x) * Math.log(1 - clamp(p, 1e-7, NEARLY_ONE))
    : (x, p) => -((x - p) ** 2);
  const total = (values, term) => values.reduce((sum, value, i) => sum + term(value, i), 0);
  const draw = ({ mean, spread }) => mean.map((middle, i) => middle + Math.exp(spread[i] / 2) * normal());
  const density = (z, { mean, spread }) =>
    total(z, (value, i) => -(spread[i] + (value - mean[i]) ** 2 / Math.exp(spread[i])) / 2);
  const encode = filled => {
    const code = encoder(filled);
    return { mean: code.subarray(0, code.length / 2), spread: code.subarray(code.length / 2) };
  };
  const look = z => {
    const decoded = decoder(z), filled = digit.map((value, i) => (hole[i] ? decoded[i] : value));
    const visible = total(decoded, (p, i) => (hole[i] ? 0 : fit(digit[i], p)));
    return { z, filled, code: encode(filled), joint: visible - total(z, v => v * v) / 2 };
  };
  const first = look(draw(encode(digit.map((value, i) => (hole[i] ? 0 : value)))));
  const made = { first, state: first, steps: 0, taken: 0, kept: 1, mean: Float32Array.from(first.filled) };
  made.exact = () => method === "metropolis" && made.steps > warm;
  made.step = () => {
    const { state } = made, next = look(draw(state.code));
    made.steps++;
    const gain = next.joint - state.joint + density(state.z, next.code) - density(next.z, state.code);
    if (!made.exact() || Math.log(uniform()) < gain) {
      made.state = next;
      made.taken += made.exact();
    }
    made.kept = Math.max(made.steps - warm, 1);
    made.mean.forEach((value, i) => { made.mean[i] += (made.state.filled[i] - value) / made.kept; });
  };
  return made;
};

const METHODS = { metropolis: "Metropolis-within-Gibbs", "pseudo-gibbs": "Pseudo-Gibbs" };
const PAUSE = 40; // milliseconds between two steps, so that an eye can follow

const holeError = (filled, digit, hole) => {
  const squares = [...hole.keys()].filter(i => hole[i]).map(i => (filled[i] - digit[i]) ** 2);
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
};

// The board on which the hole is painted; calls `changed` when it was, `say` when a key has moved the brush.
const holeBoard = (hole, hint, changed, say) => {
  const canvas = digitCanvas("The picture with its hole"), cursor = make("div", { class: "live-brush" });
  const board = make("div", {
    class: "live-board", tabindex: "0", role: "application", "aria-label": "Board on which to paint the hole",
    "aria-describedby": hint,
  }, canvas, cursor);
  const brush = { size: 4, hides: true, column: 12, row: 12 };
  let last = null;
  const place = (column, row) => {
    const share = value => `${100 * value / SIDE}%`, room = SIDE - brush.size;
    Object.assign(brush, { column: clamp(Math.round(column), 0, room), row: clamp(Math.round(row), 0, room) });
    const [left, top, side] = [brush.column, brush.row, brush.size].map(share);
    Object.assign(cursor.style, { left, top, width: side, height: side });
  };
  const stamp = hides => {
    for (let row = brush.row; row < brush.row + brush.size; row++)
      hole.fill(hides, row * SIDE + brush.column, row * SIDE + brush.column + brush.size);
  };
  const resize = size => {
    brush.size = size;
    place(brush.column, brush.row);
  };
  const follow = event => {
    const box = canvas.getBoundingClientRect();
    const end = [event.clientX - box.left, event.clientY - box.top].map(v => v / box.width * SIDE - brush.size / 2);
    const start = last ?? end, pieces = Math.ceil(Math.max(Math.hypot(end[0] - start[0], end[1] - start[1]), 1));
    last = event.buttons & 1 ? end : null;
    if (!last) return place(...end);
    for (let i = 1; i <= pieces; i++) {
      place(...start.map((from, axis) => from + (end[axis] - from) * i / pieces));
      stamp(brush.hides);
    }
    changed();
  };
  board.addEventListener("pointermove", follow);
  board.addEventListener("pointerdown", event => {
    last = null;
    follow(event);
  });
  board.addEventListener("keydown", event => {
    const [right, up] = ARROWS[event.key] ?? [0, 0];
    if (right || up) {
      place(brush.column + right, brush.row - up);
      say(`Brush at row ${brush.row + 1}, column ${brush.column + 1}`);
    } else if ([" ", "Backspace", "Delete"].includes(event.key)) {
      stamp(event.key === " " && brush.hides);
      changed();
    } else return;
    event.preventDefault();
  });
  resize(brush.size);
  return { board, canvas, brush, resize };
};

const filledPanel = (label, title = "") => {
  const canvas = digitCanvas(label), heading = make("span", {}, title), error = make("span", { class: "live-value" });
  const draw = (filled, digit, hole) => {
    const found = holeError(filled, digit, hole);
    paint(canvas, filled);
    error.textContent = hole.includes(1) ? `error ${number(found, 3)}` : "no hole";
    return found;
  };
  return { heading, draw, panel: make("div", { class: "live-panel" }, canvas, heading, error) };
};

export const board = (element, data) => {
  const grey = Float32Array.from(bytes(data.images), value => value / 255), square = bytes(data.hole);
  const names = [...bytes(data.labels)].map(label => data.names[label]);
  const digits = names.map((_, i) => grey.slice(i * SIDE * SIDE, (i + 1) * SIDE * SIDE));
  const hole = Uint8Array.from(square), hint = identifier();
  const status = make("output", { class: "live-unseen" }), acceptance = make("p", { class: "live-hint" });
  const verdict = make("p", { class: "live-verdict" }), truth = digitCanvas("The picture without its hole");
  const naive = filledPanel("Filled once", "Naive: zeros, encode, decode once");
  const latest = filledPanel("The chain's latest filling"), mean = filledPanel("The mean of the chain's fillings");
  let digit = digits[0], method = "metropolis", { seed } = data, timer, run;
  let running = !isStill();

  const draw = framed(() => {
    const exact = run.exact(), share = Math.round(100 * run.taken / (run.steps - data.warm_up));
    paint(canvas, digit, hole, data.colour);
    paint(truth, digit);
    latest.draw(run.state.filled, digit, hole);
    const once = naive.draw(run.first.filled, digit, hole), chained = mean.draw(run.mean, digit, hole);
    const [best, other] = once < chained ? ["filling once", "the mean of the chain"] : ["the mean of the chain", "filling once"];
    const errors = [once, chained].sort((a, b) => a - b).map(error => number(error, 3));
    verdict.textContent = hole.includes(1) && run.steps > data.warm_up
      ? `Nearer to the true ${data.item} here: ${best}, with an error of ${errors[0]}; ${other} has ${errors[1]}. One hole decides nothing.` : "";
    latest.heading.textContent = `${METHODS[exact ? method : "pseudo-gibbs"]}, step ${run.steps}`;
    mean.heading.textContent = `Mean of ${run.kept} filling${run.kept > 1 ? "s" : ""}`;
    const accepted = exact ? `, ${share} % of the draws accepted` : "";
    acceptance.textContent = `${hole.filter(Boolean).length} pixels hidden${accepted}.`;
  });
  const advance = () => {
    clearTimeout(timer);
    pause.textContent = running ? "Pause" : "Go on";
    pause.disabled = run.steps >= data.steps;
    if (running && !pause.disabled && element.isConnected) timer = setTimeout(() => {
      run.step();
      draw();
      advance();
    }, PAUSE);
  };
  const restart = framed(() => {
    run = chain(data, digit, hole, method, randomness(seed));
    draw();
    advance();
  });
  const { board, canvas, brush, resize } = holeBoard(hole, hint, restart, text => { status.textContent = text; });
  const pause = button("Pause", () => {
    running = !running;
    advance();
  });
  const cover = values => {
    hole.set(values);
    restart();
  };
  const pictures = digits.map(values => {
    const picture = smallCanvas();
    paint(picture, values);
    return picture;
  });
  const picker = choices(`Test ${data.item}s`, pictures, i => {
    digit = digits[i];
    restart();
  });
  [...picker.children].forEach((choice, i) => choice.setAttribute("aria-label", `${i + 1}: ${names[i]}`));
  const size = make("input", {
    type: "range", min: 1, max: 12, step: 1, value: brush.size, input: () => resize(Number(size.value)),
  });
  element.append(
    invitation(`Choose a ${data.item}, and paint a hole with pointer or finger: the model fills it.`),
    picker,
    make("div", { class: "live-panels" },
      make("div", { class: "live-panel" }, board, make("span", {}, "Paint the hole here"), status),
      make("div", { class: "live-panel" }, truth, make("span", {}, `The true ${data.item}`)),
      naive.panel, latest.panel, mean.panel),
    make("div", { class: "live-buttons" },
      choices("Brush", ["Hide", "Show again"], i => { brush.hides = i === 0; }),
      make("label", {}, "Brush size ", size),
      button("Square hole", () => cover(square)),
      button("No hole", () => cover(new Uint8Array(SIDE * SIDE)))),
    make("div", { class: "live-buttons" },
      choices("Method", Object.values(METHODS), i => {
        method = Object.keys(METHODS)[i];
        restart();
      }),
      pause,
      button("Start again", () => {
        seed++;
        restart();
      })),
    acceptance, verdict,
    make("p", { class: "live-hint", id: hint },
      "Paint with the pointer, or move the brush with the arrow keys; space paints, backspace shows again. ",
      "Error: root mean square of the filling against the true picture, in the hole."),
  );
  restart();
};
