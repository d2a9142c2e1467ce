// The latent plane, a confusion matrix that is linked with it, and both networks at work at the top of the page.

import {
  ARROWS, SIDE, button, clamp, colour, digitCanvas, framed, identifier, invitation, make, number, paint, smallCanvas,
} from "./common.js";
import { bytes } from "./engine.js";

const drawAxes = (canvas, context, at, { extent, margin, size }) => {
  const [left, bottom] = [margin, size - margin];
  context.strokeStyle = colour(canvas, "line");
  context.fillStyle = colour(canvas, "soft");
  context.font = `12px ${getComputedStyle(canvas).fontFamily}`;
  for (let tick = -Math.floor(extent); tick <= extent; tick++) {
    const [x, y] = at(tick, tick);
    context.strokeRect(x, 0, 0, bottom);
    context.strokeRect(left, y, size - left, 0);
    if (!margin) continue;
    context.textAlign = "center";
    context.fillText(number(tick, 0), x, bottom + 16);
    context.textAlign = "right";
    context.fillText(number(tick, 0), left - 6, y + 4);
  }
  const between = Math.floor(extent) - 0.5, [x, y] = at(between, between);
  context.font = `italic ${context.font}`;
  if (margin) context.fillText("z\u2082", left - 6, y + 4);
  context.textAlign = "center";
  if (margin) context.fillText("z\u2081", x, bottom + 16);
  const [middle, reach] = [at(0, 0), at(Math.sqrt(-2 * Math.log(0.05)), 0)[0]];
  context.setLineDash([4, 4]);
  context.strokeStyle = colour(canvas, "soft");
  context.beginPath();
  context.arc(...middle, reach - middle[0], 0, 2 * Math.PI);
  context.stroke();
  context.setLineDash([]);
};

const drawPoints = (canvas, context, at, size, { labels, colours, means }, isLit) => {
  const radius = Math.max(1.1, size / 320), faint = colour(canvas, "line");
  for (const lit of isLit ? [false, true] : [true])
    labels.forEach((label, i) => {
      if (isLit && isLit(i) !== lit) return;
      context.globalAlpha = lit ? 0.75 : 0.5;
      context.fillStyle = lit ? colours[label] : faint;
      context.beginPath();
      context.arc(...at(means[2 * i], means[2 * i + 1]), radius * (isLit && lit ? 1.5 : 1), 0, 2 * Math.PI);
      context.fill();
    });
};

// The plane with its points, drawn only when its size or theme changes or other points are lit. With `moved`, a knob
// marks a point: a mouse moves it until a click pins it; it is dragged, tapped to a place, or moved by keys. Elsewhere
// a vertical swipe still scrolls the page.
const planeView = (points, { extent, margin = 28, label, hint, moved }) => {
  const canvas = make("canvas"), knob = make("div", { class: "live-knob" });
  const pad = make("div", { class: "live-plane" }, canvas);
  let size = 0, isLit = null, point = [0, 0], pinned = false, held = null;
  const across = value => (value + extent) / (2 * extent) * (size - margin);
  const at = (z1, z2) => [margin + across(z1), across(-z2)];
  const draw = framed(() => {
    const ratio = devicePixelRatio || 1, context = canvas.getContext("2d");
    size = pad.clientWidth;
    if (!size) return;
    canvas.width = canvas.height = Math.round(size * ratio);
    context.scale(ratio, ratio);
    drawAxes(canvas, context, at, { extent, margin, size });
    drawPoints(canvas, context, at, size, points, isLit);
  });
  const light = chosen => {
    isLit = chosen;
    draw();
  };
  new ResizeObserver(draw).observe(pad);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("themechange", draw); // by the report's own switch
  if (!moved) return { pad, light };

  const share = value => `(100% - ${margin}px) * ${(value + extent) / (2 * extent)}`;
  const move = (z1, z2, pin = pinned) => {
    point = [clamp(z1, -extent, extent), clamp(z2, -extent, extent)];
    pinned = pin;
    knob.style.left = `calc(${margin}px + ${share(point[0])})`;
    knob.style.top = `calc(${share(-point[1])})`;
    knob.toggleAttribute("data-pinned", pinned);
    moved(point, pinned);
  };
  const place = event => {
    const box = pad.getBoundingClientRect();
    const back = pixels => pixels / (box.width - margin) * 2 * extent - extent;
    return [back(event.clientX - box.left - margin), -back(event.clientY - box.top)];
  };
  const on = {
    pointerdown: event => {
      if (event.button) return;
      held = { point, pinned, x: event.clientX, y: event.clientY, knob: event.target === knob, dragged: false };
      if (event.isTrusted) pad.setPointerCapture(event.pointerId);
    },
    pointermove: event => {
      if (!held && event.pointerType === "mouse" && !pinned) move(...place(event));
      if (!held) return;
      held.dragged ||= Math.hypot(event.clientX - held.x, event.clientY - held.y) > 3;
      if (held.dragged) move(...place(event), true);
    },
    pointerup: event => {
      if (held && !held.dragged && held.knob && held.pinned) move(...point, false);
      else if (held && !held.dragged) move(...place(event), true);
      held = null;
    },
    pointercancel: () => { // the page scrolls
      if (held) move(...held.point, held.pinned);
      held = null;
    },
    keydown: event => {
      const [right, up] = ARROWS[event.key] ?? [0, 0], step = event.shiftKey ? 0.5 : 0.05;
      if (event.key === "Home") move(0, 0, true);
      else if (right || up) move(point[0] + right * step, point[1] + up * step, true);
      else if (event.key === "Enter" || event.key === " ") move(...point, !pinned);
      else return;
      event.preventDefault();
    },
  };
  Object.entries(on).forEach(([type, act]) => pad.addEventListener(type, act));
  const about = { tabindex: "0", role: "application", "aria-label": label, "aria-describedby": hint };
  Object.entries(about).forEach(([name, value]) => pad.setAttribute(name, value));
  pad.append(knob);
  return { pad, light, move };
};

const nearest = ([z1, z2], means, places, count) => {
  const distance = place => (means[2 * place] - z1) ** 2 + (means[2 * place + 1] - z2) ** 2;
  const sorted = [...places].map(place => [distance(place), place]).sort(([a], [b]) => a - b);
  return sorted.slice(0, count).map(([, place]) => place);
};

// ---- The plane: the image at a point is decoded beside it, and the nearest test images are shown.

export const plane = (element, { decoder, points, sheet, extent }) => {
  const { colours, names, item, labels, means } = points, chosen = new Set(), hint = identifier();
  const digit = digitCanvas(`The ${item} decoded at the point`), likes = [0, 1, 2].map(smallCanvas);
  const place = make("span", { class: "live-value" }), likeness = make("span");
  const readout = make("output", { class: "live-readout" }, place, likeness);
  let at, pin;
  const show = framed(() => {
    const near = nearest(at, means, sheet.kept, likes.length);
    paint(digit, decoder(Float32Array.from(at)));
    place.textContent = `${pin ? "Pinned at z" : "z"} = (${number(at[0])}, ${number(at[1])})`;
    likeness.textContent = `Nearest of ${sheet.kept.length} test ${item}s: ${near.map(i => names[labels[i]]).join(", ")}`;
    near.forEach((i, n) => sheet.show(likes[n], i));
  });
  const moved = (point, pinned) => {
    [at, pin] = [point, pinned];
    show();
  };
  const { pad, light, move } = planeView(points, { extent, label: "Latent plane", hint, moved });
  const legend = make("div", { class: "live-legend", role: "group", "aria-label": "Show only these classes" });
  colours.forEach((shade, label) => legend.append(button(names[label], event => {
    chosen[chosen.has(label) ? "delete" : "add"](label);
    event.currentTarget.setAttribute("aria-pressed", chosen.has(label));
    light(chosen.size ? i => chosen.has(labels[i]) : null);
  }, { "aria-pressed": "false", style: `--live-swatch: ${shade}` })));
  const likenesses = make("div", { class: "live-likes", "aria-hidden": "true" }, ...likes);
  element.append(
    invitation("Move the ring: click or tap to pin it, then drag it or use the arrow keys. Click it again to release it."),
    make("div", { class: "live-side" }, pad, make("div", { class: "live-beside" }, digit, readout, likenesses)),
    legend,
    make("p", { class: "live-hint", id: hint },
      "Arrow keys: with Shift longer steps, Home for the origin, Enter to pin and release. ",
      "A button shows its class alone. Inside the dashed circle lie 95 % of the prior."),
  );
  move(0, 0);
};

// ---- A confusion matrix: a cell lights up its points of the plane, and shows some of its images.

export const confusion = (element, { points, sheet, extent, votes: voted }) => {
  const { names, labels, item } = points, votes = bytes(voted), size = names.length, status = make("output", { class: "live-readout" });
  const counts = names.map(() => new Array(size).fill(0)), of = new Array(size).fill(0);
  labels.forEach((label, i) => {
    counts[label][votes[i]]++;
    of[label]++;
  });
  const wrong = Math.max(...counts.flatMap((row, label) => row.map((n, vote) => (label === vote ? 0 : n / of[label] || 0))));
  const { pad, light } = planeView(points, { extent });
  const pictures = make("div", { class: "live-cell-images", "aria-hidden": "true" });
  const cells = counts.map((row, label) => row.map((n, vote) => make("div", {
    role: "gridcell", tabindex: "-1", "aria-selected": "false",
    "aria-label": `${n} of class ${names[label]} taken for ${names[vote]}`,
    class: label === vote ? "live-right" : "", style: `--live-share: ${label === vote ? 0 : n / of[label] / wrong || 0}`,
    click: () => select(label, vote), focus: () => select(label, vote),
  }, n ? String(n) : "")));
  let selected;
  const select = (label, vote) => {
    const inCell = i => labels[i] === label && votes[i] === vote, n = counts[label][vote];
    selected?.setAttribute("tabindex", "-1");
    selected?.setAttribute("aria-selected", "false");
    selected = cells[label][vote];
    selected.setAttribute("tabindex", "0");
    selected.setAttribute("aria-selected", "true");
    light(inCell);
    const found = [...sheet.kept].filter(inCell), some = found.length && found.length < n ? `; ${found.length} of them:` : "";
    const taken = label === vote ? "are classified correctly" : `are taken for ${names[vote]}`;
    status.textContent = `${n} of ${of[label]} ${item}s of class ${names[label]} (${number(100 * n / of[label] || 0, 1)} %) ${taken}${some}`;
    pictures.replaceChildren(...found.map(place => {
      const picture = smallCanvas();
      sheet.show(picture, place);
      return picture;
    }));
  };
  const heads = names.map(name => make("div", { role: "columnheader" }, name));
  const rows = cells.map((row, label) => make("div", { role: "row" }, make("div", { role: "rowheader" }, names[label]), ...row));
  const grid = make("div", {
    class: "live-matrix", role: "grid", "aria-label": "Class by vote", style: `--live-columns: ${size}`,
    keydown: event => {
      const [right, up] = ARROWS[event.key] ?? [0, 0], label = cells.findIndex(row => row.includes(selected));
      if (!right && !up) return;
      const vote = cells[label].indexOf(selected);
      cells[clamp(label - up, 0, size - 1)][clamp(vote + right, 0, size - 1)].focus();
      event.preventDefault();
    },
  }, make("div", { role: "row" }, make("div", { role: "columnheader" }, make("span", { class: "live-unseen" }, "Class")), ...heads), ...rows);
  element.append(
    invitation("Choose a cell, by click, tap or arrow keys: its images light up in the plane."),
    make("div", { class: "live-halves" },
      make("div", {}, make("p", { class: "live-axis", "aria-hidden": "true" }, "class (rows) by vote (columns)"), grid), pad),
    status, pictures,
  );
  const most = counts.flatMap((row, label) => row.map((n, vote) => [label === vote ? -1 : n / of[label] || 0, label, vote]));
  select(...most.sort(([a], [b]) => b - a)[0].slice(1)); // the pair that is mixed most
};

// ---- The reader's own digit: drawn, encoded, decoded.

const BOX = 20, CENTRE = 14.5; // as `helpers.data.read_picture`: the box that a digit is scaled to, its centre of mass

// Ink (side × side, 0 to 1) as the networks know digits: cut out, scaled into the box, centred by mass. Null for none.
export const centred = (ink, side) => {
  const most = ink.reduce((a, b) => Math.max(a, b), 0), strong = ink.map(value => Math.max(value / most - 0.2, 0) / 0.8);
  if (most < 0.1) return null;
  const used = [...strong.keys()].filter(i => strong[i] > 0), [xs, ys] = [used.map(i => i % side), used.map(i => Math.floor(i / side))];
  const low = values => values.reduce((a, b) => Math.min(a, b)), high = values => values.reduce((a, b) => Math.max(a, b));
  const [left, top, wide, tall] = [low(xs), low(ys), high(xs) - low(xs) + 1, high(ys) - low(ys) + 1];
  const [width, height] = [wide, tall].map(length => Math.max(1, Math.round(length * BOX / Math.max(wide, tall))));
  const small = new Float32Array(width * height);
  const span = (n, count, length) => { // source pixels whose centres lie in the n-th of `count` parts
    const from = Math.ceil(n * length / count - 0.5), to = Math.ceil((n + 1) * length / count - 0.5);
    return to > from ? [from, to] : [Math.floor((n + 0.5) * length / count), Math.floor((n + 0.5) * length / count) + 1];
  };
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [x0, x1] = span(x, width, wide), [y0, y1] = span(y, height, tall);
      for (let v = y0; v < y1; v++)
        for (let u = x0; u < x1; u++)
          small[y * width + x] += strong[(top + v) * side + left + u] / ((x1 - x0) * (y1 - y0));
    }
  const peak = small.reduce((a, b) => Math.max(a, b)), mass = small.reduce((a, b) => a + b);
  const centre = axis => small.reduce((sum, value, i) => sum + value * ((axis ? Math.floor(i / width) : i % width) + 0.5), 0) / mass;
  const [right, down] = [[0, width], [1, height]].map(([axis, length]) => clamp(Math.round(CENTRE - centre(axis)), 0, SIDE - length));
  const image = new Float32Array(SIDE * SIDE);
  small.forEach((value, i) => { image[(Math.floor(i / width) + down) * SIDE + i % width + right] = value / peak; });
  return image;
};

// Paper to draw on: by pointer, or by arrow keys with a pen that Space lowers and lifts.
const drawingPaper = (label, hint, changed) => {
  const side = 7 * SIDE, canvas = make("canvas", { width: side, height: side, class: "live-digit" });
  const pen = make("div", { class: "live-pen" });
  const paper = make("div", { class: "live-paper", tabindex: "0", role: "application", "aria-label": label, "aria-describedby": hint }, canvas, pen);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let spot = [side / 2, side / 4], lowered = false, example = false, last = null;
  const clear = () => {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, side, side);
    example = false;
  };
  const line = (from, to) => {
    if (example) clear();
    Object.assign(context, { lineWidth: side / 13, lineCap: "round", lineJoin: "round", strokeStyle: "#000" });
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
    changed();
  };
  const place = event => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top].map(value => value / box.width * side);
  };
  const lift = () => { last = null; };
  const on = {
    pointerdown: event => {
      if (event.button) return;
      last = place(event);
      if (event.isTrusted) paper.setPointerCapture(event.pointerId);
      line(last, last);
    },
    pointermove: event => {
      if (!last) return;
      const next = place(event);
      line(last, next);
      last = next;
    },
    pointerup: lift, pointercancel: lift,
    keydown: event => {
      const [right, up] = ARROWS[event.key] ?? [0, 0], step = side / SIDE;
      if (event.key === " ") lowered = !lowered;
      else if (!right && !up) return;
      const next = [spot[0] + right * step, spot[1] - up * step].map(value => clamp(value, step, side - step));
      if (lowered) line(spot, next);
      spot = next;
      Object.assign(pen.style, { left: `${100 * spot[0] / side}%`, top: `${100 * spot[1] / side}%` });
      pen.toggleAttribute("data-lowered", lowered);
      event.preventDefault();
    },
  };
  Object.entries(on).forEach(([type, act]) => paper.addEventListener(type, act));
  const ink = () => Float32Array.from(context.getImageData(0, 0, side, side).data.filter((_, i) => i % 4 === 0), v => 1 - v / 255);
  const show = values => {
    const small = smallCanvas();
    paint(small, values);
    context.imageSmoothingEnabled = true;
    context.drawImage(small, 0, 0, side, side);
    example = true;
  };
  clear();
  return { paper, clear, show, image: () => centred(ink(), side) };
};

export const hero = (element, { encoder, decoder, points, sheet, extent }) => {
  const { item, means, labels, names } = points, hint = identifier();
  const digit = digitCanvas(`The ${item} decoded at the point`), status = make("output", { class: "live-unseen" });
  let at = [0, 0], turn = 0;
  const show = framed(() => {
    paint(digit, decoder(Float32Array.from(at)));
    status.textContent = `z = (${number(at[0])}, ${number(at[1])}); nearest test ${item}: ${names[labels[nearest(at, means, sheet.kept, 1)[0]]]}`;
  });
  const moved = point => {
    at = point;
    show();
  };
  const { pad, move } = planeView(points, { extent, margin: 0, label: "Latent plane", hint, moved });
  const encode = image => move(...encoder(image).subarray(0, 2), true);
  const { paper, clear, show: copy, image } = drawingPaper(`Paper to draw a ${item} on`, hint, framed(() => {
    const drawn = image();
    if (drawn) encode(drawn);
  }));
  const example = async () => {
    const values = await sheet.values(sheet.kept[turn++ * 97 % sheet.kept.length]);
    copy(values);
    encode(values);
  };
  const panel = (part, words) => make("div", { class: "live-step" }, part, make("span", {}, words));
  element.append(
    panel(paper, `1. Draw a ${item}`), panel(pad, "2. Its code: two numbers"), panel(digit, "3. Decoded from these"),
    make("div", { class: "live-beside" },
      make("p", { id: hint }, `A trained model, in this page. Draw over the ${item}, or drag the ring.`,
        make("span", { class: "live-unseen" }, " Arrow keys move pen and ring, space lowers the pen.")),
      make("div", { class: "live-buttons" }, button("Clear", clear), button(`Test ${item}`, example)), status),
  );
  example();
};
