// A slider through one latent dimension, and a slider for each of many.

import { button, clamp, digitCanvas, framed, invitation, make, number, paint, randomness, smallCanvas, variable } from "./common.js";

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
  element.append(
    invitation(`Drag the slider, or choose a ${item} below it.`),
    make("div", { class: "live-beside" }, digit, readout), line,
  );
  draw();
};

// ---- Many latent dimensions: a slider each, in order of what they tell; those not in use apart.

export const sliders = (element, { decoder, kl, active, limit, seed, item }) => {
  const digit = digitCanvas(`The ${item} decoded at the sliders' values`), z = new Float32Array(kl.length);
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
    return { i, range, value, row: make("div", { class: "live-row" }, variable(i + 1), range, value, amount) };
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
  const group = (title, used) => {
    const chosen = rows.filter(({ i }) => active[i] === used).sort((a, b) => kl[b.i] - kl[a.i]);
    const heading = make("p", { class: "live-group" }, `${title}: ${chosen.length} of ${kl.length}`);
    return chosen.length ? [heading, ...chosen.map(({ row }) => row)] : [];
  };
  element.append(
    invitation(`Drag a slider: the ${item} is decoded again. The most telling variable comes first.`),
    make("div", { class: "live-side" },
      make("div", { class: "live-rows", role: "group", "aria-label": "Latent variables" },
        ...group("Active", true), ...group("Not in use", false)),
      make("div", { class: "live-beside" }, digit, make("div", { class: "live-buttons" },
        button("Sample from the prior", () => set(() => clamp(random.normal(), -limit, limit))),
        button("Reset", () => set(() => 0))))),
    make("p", { class: "live-hint" },
      "Bars: what a variable tells on average, as Kullback\u2013Leibler divergence to its prior."),
  );
  draw();
};
