// Four figures that run a trained VAE in the page. Each is a function (element, data): it builds itself inside the
// element; data is what `helpers.report.live` makes, with `decoder` and `encoder` as the engine's functions.

import { bytes, load } from "./engine.js";

const SIDE = 28;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

const make = (tag, properties = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
};
const button = (text, click, properties = {}) => make("button", { type: "button", click, ...properties }, text);
const variable = index => make("span", { class: "live-variable" }, "z", make("sub", {}, String(index)));
const identifier = () => `live-${Math.random().toString(36).slice(2)}`;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const colour = (element, name) => getComputedStyle(element).getPropertyValue(`--live-${name}`).trim();
const number = (value, digits = 2) => {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) ? `\u2212${text}` : text;
};

// A function that asks for one call of `draw` at the next frame, however often it is called until then.
const framed = draw => {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };
};

// mulberry32, a small generator with a seed, and normal draws from it by the transform of Box and Muller.
export const randomness = seed => {
  const uniform = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
};

// A picture of 28 × 28 pixels, dark ink on white paper; what a hole hides has a colour of its own.
const smallCanvas = () => make("canvas", { width: SIDE, height: SIDE, class: "live-digit" });
const digitCanvas = label => {
  const canvas = smallCanvas();
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  return canvas;
};
const paint = (canvas, values, hole, hidden) => {
  const context = canvas.getContext("2d"), image = context.createImageData(SIDE, SIDE);
  values.forEach((value, i) => {
    const grey = 255 - 255 * value;
    image.data.set([grey, grey, grey, 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
  context.fillStyle = hidden;
  hole?.forEach((covered, i) => covered && context.fillRect(i % SIDE, Math.floor(i / SIDE), 1, 1));
};

// ---- The latent plane: test images' latent means; the image at a point is decoded beside it.

const drawAxes = (canvas, context, at, { extent, margin, size }) => {
  const [left, bottom] = [margin, size - margin];
  context.strokeStyle = colour(canvas, "line");
  context.fillStyle = colour(canvas, "soft");
  context.font = `12px ${getComputedStyle(canvas).fontFamily}`;
  for (let tick = -Math.floor(extent); tick <= extent; tick++) {
    const [x, y] = at(tick, tick);
    context.strokeRect(x, 0, 0, bottom);
    context.strokeRect(left, y, size - left, 0);
    context.textAlign = "center";
    context.fillText(number(tick, 0), x, bottom + 16);
    context.textAlign = "right";
    context.fillText(number(tick, 0), left - 6, y + 4);
  }
  const between = Math.floor(extent) - 0.5, [x, y] = at(between, between);
  context.font = `italic ${context.font}`;
  context.fillText("z\u2082", left - 6, y + 4);
  context.textAlign = "center";
  context.fillText("z\u2081", x, bottom + 16);
  const [middle, reach] = [at(0, 0), at(Math.sqrt(-2 * Math.log(0.05)), 0)[0]];
  context.setLineDash([4, 4]);
  context.strokeStyle = colour(canvas, "soft");
  context.beginPath();
  context.arc(...middle, reach - middle[0], 0, 2 * Math.PI);
  context.stroke();
  context.setLineDash([]);
};

const drawPoints = (canvas, context, at, size, { labels, colours }, means, chosen) => {
  const radius = Math.max(1.1, size / 320), faint = colour(canvas, "line");
  for (const lit of chosen.size ? [false, true] : [true])
    labels.forEach((label, i) => {
      if (chosen.size && chosen.has(label) !== lit) return;
      context.globalAlpha = lit ? 0.75 : 0.5;
      context.fillStyle = lit ? colours[label] : faint;
      context.beginPath();
      context.arc(...at(means[2 * i], means[2 * i + 1]), radius, 0, 2 * Math.PI);
      context.fill();
    });
};

const nearest = (point, means) => {
  let best = 0, least = Infinity;
  for (let i = 0; i < means.length; i += 2) {
    const distance = (means[i] - point[0]) ** 2 + (means[i + 1] - point[1]) ** 2;
    if (distance < least) [best, least] = [i / 2, distance];
  }
  return best;
};

export const plane = (element, data) => {
  const { decoder, extent, colours, names, item, means: { scale, values } } = data;
  const labels = [...bytes(data.labels)], margin = 28, chosen = new Set(), hint = identifier();
  const means = Float32Array.from(new Int16Array(bytes(values).buffer), value => value * scale);
  const points = make("canvas"), cross = make("canvas"), digit = digitCanvas(`The ${item} decoded at the point`);
  const pad = make("div", {
    class: "live-plane", tabindex: "0", role: "application", "aria-label": "Latent plane", "aria-describedby": hint,
  }, points, cross);
  const place = make("span", { class: "live-value" }), likeness = make("span");
  const readout = make("output", { class: "live-readout" }, place, likeness);
  let point = [...data.start], size = 0;

  const across = value => (value + extent) / (2 * extent) * (size - margin);
  const at = (z1, z2) => [margin + across(z1), across(-z2)];
  const fresh = canvas => {
    const ratio = devicePixelRatio || 1, context = canvas.getContext("2d");
    canvas.width = canvas.height = Math.round(size * ratio);
    context.scale(ratio, ratio);
    return context;
  };
  const draw = framed(() => {
    const context = fresh(cross), [x, y] = at(...point);
    context.strokeStyle = colour(cross, "text");
    context.lineWidth = 0.5;
    context.strokeRect(x, 0, 0, size - margin);
    context.strokeRect(margin, y, size - margin, 0);
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, y, 7, 0, 2 * Math.PI);
    context.stroke();
    paint(digit, decoder(Float32Array.from(point)));
    place.textContent = `z = (${number(point[0])}, ${number(point[1])})`;
    likeness.textContent = `Nearest test ${item}: ${names[labels[nearest(point, means)]]}`;
  });
  const drawAll = framed(() => {
    size = pad.clientWidth;
    if (!size) return;
    const context = fresh(points);
    drawAxes(points, context, at, { extent, margin, size });
    drawPoints(points, context, at, size, { labels, colours }, means, chosen);
    draw();
  });
  const move = (z1, z2) => {
    point = [clamp(z1, -extent, extent), clamp(z2, -extent, extent)];
    draw();
  };
  const follow = event => {
    const box = pad.getBoundingClientRect(), back = pixels => pixels / (size - margin) * 2 * extent - extent;
    move(back(event.clientX - box.left - margin), -back(event.clientY - box.top));
  };
  pad.addEventListener("pointermove", follow);
  pad.addEventListener("pointerdown", follow);
  pad.addEventListener("keydown", event => {
    const [right, up] = ARROWS[event.key] ?? [0, 0], step = event.shiftKey ? 0.5 : 0.05;
    if (event.key === "Home") move(0, 0);
    else if (right || up) move(point[0] + right * step, point[1] + up * step);
    else return;
    event.preventDefault();
  });
  const legend = make("div", { class: "live-legend", role: "group", "aria-label": "Show only these classes" });
  colours.forEach((shade, label) => legend.append(button(names[label], event => {
    chosen[chosen.has(label) ? "delete" : "add"](label);
    event.currentTarget.setAttribute("aria-pressed", chosen.has(label));
    drawAll();
  }, { "aria-pressed": "false", style: `--live-swatch: ${shade}` })));
  element.append(
    make("div", { class: "live-side" }, pad, make("div", { class: "live-beside" }, digit, readout)),
    legend,
    make("p", { class: "live-hint", id: hint },
      "Point, touch, or use the arrow keys (with Shift for longer steps, Home for the origin). ",
      "A button shows its class alone. Inside the dashed circle lie 95 % of the prior."),
  );
  new ResizeObserver(drawAll).observe(pad);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  addEventListener("themechange", drawAll); // by the report's own switch
};

// ---- One latent dimension: a slider through the prior's quantiles.

export const slider = (element, { decoder, quantiles, samples, item }) => {
  const last = quantiles.length - 1, digit = digitCanvas(`The ${item} decoded at the slider's value`);
  const readout = make("p", { class: "live-readout" });
  const range = make("input", {
    type: "range", min: 0, max: last, step: 1, value: Math.round(last / 2), "aria-label": "Latent variable z",
    input: () => draw(),
  });
  const draw = framed(() => {
    const place = Number(range.value), below = 100 * (place + 0.5) / quantiles.length;
    paint(digit, decoder(Float32Array.of(quantiles[place])));
    readout.textContent = `z = ${number(quantiles[place])}; ${number(below, 1)} % of the prior lie below`;
    range.setAttribute("aria-valuetext", readout.textContent);
  });
  const strip = make("div", { class: "live-strip", "aria-hidden": "true" });
  for (let i = 0; i < samples; i++) {
    const place = Math.round((i + 0.5) / samples * last), picture = smallCanvas();
    picture.addEventListener("click", () => {
      range.value = place;
      draw();
    });
    paint(picture, decoder(Float32Array.of(quantiles[place])));
    strip.append(picture);
  }
  const line = make("div", { class: "live-line" }, range, strip);
  element.append(make("div", { class: "live-beside" }, digit, readout), line);
  draw();
};

// ---- Many latent dimensions: a slider each.

export const sliders = (element, { decoder, kl, active, limit, seed }) => {
  const digit = digitCanvas("The digit decoded at the sliders' values"), z = new Float32Array(kl.length);
  const most = Math.max(...kl), random = randomness(seed);
  const rows = kl.map((nats, i) => {
    const value = make("span", { class: "live-value" });
    const range = make("input", {
      type: "range", min: -limit, max: limit, step: 0.01, value: 0, "aria-label": `z ${i + 1}`,
      input: () => {
        z[i] = Number(range.value);
        draw();
      },
    });
    const share = most ? nats / most : 0;
    const amount = make("span", { class: "live-kl", style: `--live-share: ${share}` }, `${number(nats)} nats`);
    const mark = make("span", { class: active[i] ? "live-active" : "live-unused" }, active[i] ? "active" : "unused");
    return { range, value, row: make("div", { class: "live-row" }, variable(i + 1), range, value, amount, mark) };
  });
  const draw = framed(() => {
    paint(digit, decoder(z));
    rows.forEach(({ range, value }, i) => {
      range.value = z[i];
      value.textContent = number(z[i]);
    });
  });
  const set = choose => {
    z.forEach((_, i) => { z[i] = choose(); });
    draw();
  };
  element.append(
    make("div", { class: "live-side" },
      make("div", { class: "live-rows", role: "group", "aria-label": "Latent variables" },
        ...rows.map(({ row }) => row)),
      make("div", { class: "live-beside" }, digit, make("div", { class: "live-buttons" },
        button("Sample from the prior", () => set(() => clamp(random.normal(), -limit, limit))),
        button("Reset", () => set(() => 0))))),
    make("p", { class: "live-hint" },
      "Bars: what a variable tells on average, as Kullback–Leibler divergence to its prior."),
  );
  draw();
};

// ---- Inpainting.

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
    paint(canvas, filled);
    error.textContent = hole.includes(1) ? `error ${number(holeError(filled, digit, hole), 3)}` : "no hole";
  };
  return { heading, draw, panel: make("div", { class: "live-panel" }, canvas, heading, error) };
};

export const board = (element, data) => {
  const grey = Float32Array.from(bytes(data.images), value => value / 255), square = bytes(data.hole);
  const names = [...bytes(data.labels)].map(label => data.names[label]);
  const digits = names.map((_, i) => grey.slice(i * SIDE * SIDE, (i + 1) * SIDE * SIDE));
  const hole = Uint8Array.from(square), hint = identifier();
  const status = make("output", { class: "live-unseen" }), acceptance = make("p", { class: "live-hint" });
  const naive = filledPanel("Filled once", "Naive: zeros, encode, decode once");
  const latest = filledPanel("The chain's latest filling"), mean = filledPanel("The mean of the chain's fillings");
  let digit = digits[0], method = "metropolis", { seed } = data, timer, run;
  let running = !matchMedia("(prefers-reduced-motion: reduce)").matches;

  const draw = framed(() => {
    const exact = run.exact(), share = Math.round(100 * run.taken / (run.steps - data.warm_up));
    paint(canvas, digit, hole, data.colour);
    naive.draw(run.first.filled, digit, hole);
    latest.draw(run.state.filled, digit, hole);
    mean.draw(run.mean, digit, hole);
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
  const choices = (label, names, pressed, choose) => {
    const buttons = names.map((name, i) => button(name, () => {
      buttons.forEach((other, j) => other.setAttribute("aria-pressed", i === j));
      choose(i);
    }, { "aria-pressed": i === pressed ? "true" : "false" }));
    return make("div", { class: "live-choices", role: "group", "aria-label": label }, ...buttons);
  };
  const pictures = digits.map(values => {
    const picture = smallCanvas();
    paint(picture, values);
    return picture;
  });
  const picker = choices(`Test ${data.item}s`, pictures, 0, i => {
    digit = digits[i];
    restart();
  });
  [...picker.children].forEach((choice, i) => choice.setAttribute("aria-label", `${i + 1}: ${names[i]}`));
  const size = make("input", {
    type: "range", min: 1, max: 12, step: 1, value: brush.size, input: () => resize(Number(size.value)),
  });
  element.append(
    picker,
    make("div", { class: "live-panels" },
      make("div", { class: "live-panel" }, board, make("span", {}, "Paint the hole here"), status),
      naive.panel, latest.panel, mean.panel),
    make("div", { class: "live-buttons" },
      choices("Brush", ["Hide", "Show again"], 0, i => { brush.hides = i === 0; }),
      make("label", {}, "Brush size ", size),
      button("Square hole", () => cover(square)),
      button("No hole", () => cover(new Uint8Array(SIDE * SIDE)))),
    make("div", { class: "live-buttons" },
      choices("Method", Object.values(METHODS), 0, i => {
        method = Object.keys(METHODS)[i];
        restart();
      }),
      pause,
      button("Start again", () => {
        seed++;
        restart();
      })),
    acceptance,
    make("p", { class: "live-hint", id: hint },
      "Paint with the pointer, or move the brush with the arrow keys; space paints, backspace shows again. ",
      "Error: root mean square of the filling against the true picture, in the hole."),
  );
  restart();
};

// ---- In a page and in JupyterLab.

const FIGURES = { plane, slider, sliders, board };
const loaded = new Map();

// Builds a figure in an element; packed(name) gives a packed network of the page, by the name that the data hold.
export const build = (element, figure, data, packed) => {
  const parts = ["encoder", "decoder"].filter(part => part in data).map(part => {
    const name = data[part];
    if (!loaded.has(name)) loaded.set(name, load({ [part]: packed(name) })[part]);
    return [part, loaded.get(name)];
  });
  FIGURES[figure](element, { ...data, ...Object.fromEntries(parts) });
};

// Every figure of a page comes to life shortly before it is seen, in place of its static picture.
export const activate = page => {
  const packed = name => JSON.parse(page.querySelector(`script[data-network="${CSS.escape(name)}"]`).textContent);
  const enliven = figure => {
    const body = make("div", { class: "live-body" });
    figure.append(body);
    try {
      build(body, figure.dataset.figure, JSON.parse(figure.querySelector("script").textContent), packed);
      figure.dataset.ready = "";
    } catch (error) {
      body.remove();
      console.error(error);
    }
  };
  const observer = new IntersectionObserver(entries => {
    for (const { target } of entries.filter(entry => entry.isIntersecting)) {
      observer.unobserve(target);
      enliven(target);
    }
  }, { rootMargin: "400px" });
  page.querySelectorAll(".live[data-figure]").forEach(figure => observer.observe(figure));
};

// What anywidget calls.
export const render = ({ model, el }) => {
  const body = make("div", { class: "live-body" });
  el.classList.add("live");
  el.append(body);
  build(body, model.get("figure"), model.get("data"), name => model.get("networks")[name]);
};
