// What the figures share: elements, numbers, pictures of 28 × 28 pixels, random numbers.

import { bytes } from "./engine.js";

export const SIDE = 28;
export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export const make = (tag, properties = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
};
export const button = (text, click, properties = {}) => make("button", { type: "button", click, ...properties }, text);
// A group of buttons, of which one is pressed, at first the first.
export const choices = (label, names, choose) => {
  const buttons = names.map((name, i) => button(name, () => {
    buttons.forEach((other, j) => other.setAttribute("aria-pressed", i === j));
    choose(i);
  }, { "aria-pressed": i ? "false" : "true" }));
  return make("div", { class: "live-choices", role: "group", "aria-label": label }, ...buttons);
};
export const variable = index => make("span", { class: "live-variable" }, "z", make("sub", {}, String(index)));
export const identifier = () => `live-${Math.random().toString(36).slice(2)}`;
// What can be moved: the first line of a figure.
export const invitation = (text, properties = {}) => make("p", { class: "live-invitation", ...properties }, text);
export const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const colour = (element, name) => getComputedStyle(element).getPropertyValue(`--live-${name}`).trim();
export const number = (value, digits = 2) => {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) ? `\u2212${text}` : text;
};

// A function that asks for one call of `draw` at the next frame, however often it is called until then.
export const framed = draw => {
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
export const smallCanvas = () => make("canvas", { width: SIDE, height: SIDE, class: "live-digit" });
export const digitCanvas = label => {
  const canvas = smallCanvas();
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  return canvas;
};
export const paint = (canvas, values, hole, hidden) => {
  const context = canvas.getContext("2d"), image = context.createImageData(SIDE, SIDE);
  values.forEach((value, i) => image.data.fill(255 - 255 * value, 4 * i, 4 * i + 3));
  values.forEach((_, i) => { image.data[4 * i + 3] = 255; });
  context.putImageData(image, 0, 0);
  context.fillStyle = hidden;
  hole?.forEach((covered, i) => covered && context.fillRect(i % SIDE, Math.floor(i / SIDE), 1, 1));
};

// Images of the test set that the page keeps, by their places in it: show(canvas, place) draws one, values(place)
// promises its 784 numbers.
export const loadSheet = ({ places, picture }) => {
  const image = new Image(), kept = new Uint16Array(bytes(places).buffer);
  image.src = `data:image/webp;base64,${picture}`;
  const ready = image.decode(), order = new Map([...kept].map((place, i) => [place, i]));
  const draw = (canvas, place) => {
    const tile = order.get(place), row = image.width / SIDE;
    canvas.getContext("2d", { willReadFrequently: true }).drawImage(image, tile % row * SIDE, Math.floor(tile / row) * SIDE, SIDE, SIDE, 0, 0, SIDE, SIDE);
  };
  const show = async (canvas, place) => {
    canvas.dataset.place = place;
    await ready;
    if (canvas.dataset.place === String(place)) draw(canvas, place); // no other has been asked for meanwhile
  };
  const values = async place => {
    const canvas = smallCanvas();
    await ready;
    draw(canvas, place);
    const { data } = canvas.getContext("2d").getImageData(0, 0, SIDE, SIDE);
    return Float32Array.from({ length: SIDE * SIDE }, (_, i) => 1 - data[4 * i] / 255);
  };
  return { kept, show, values };
};

// Test images' latent means: pairs in one array.
export const loadPoints = ({ scale, means, labels, ...more }) => ({
  means: Float32Array.from(new Int16Array(bytes(means).buffer), value => value * scale),
  labels: bytes(labels), ...more,
});
