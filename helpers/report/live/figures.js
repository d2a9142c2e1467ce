// Figures that run a trained VAE, in a page and in JupyterLab. Each is a function (element, data): it builds itself
// inside the element; data is what `helpers.report.live` makes, with its parts loaded.

import { board } from "./board.js";
import { loadPoints, loadSheet, make } from "./common.js";
import { load } from "./engine.js";
import { confusion, hero, plane } from "./plane.js";
import { slider, sliders } from "./sliders.js";
import { courses, verdicts } from "./stored.js";

const FIGURES = { board, confusion, courses, hero, plane, slider, sliders, verdicts };
const reader = part => packed => load({ [part]: packed })[part];
const LOADERS = { encoder: reader("encoder"), decoder: reader("decoder"), points: loadPoints, sheet: loadSheet };
const loaded = new Map();

// Builds a figure in an element; packed(name) gives a part of the page, by the name that the data hold.
export const build = (element, figure, data, packed) => {
  const parts = Object.keys(LOADERS).filter(part => part in data).map(part => {
    const name = data[part];
    if (!loaded.has(name)) loaded.set(name, LOADERS[part](packed(name)));
    return [part, loaded.get(name)];
  });
  FIGURES[figure](element, { ...data, ...Object.fromEntries(parts) });
};

// Every figure of a page comes to life shortly before it is seen, in place of its static picture.
export const activate = page => {
  const packed = name => JSON.parse(page.querySelector(`script[data-part="${CSS.escape(name)}"]`).textContent);
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

// Builds a figure in the output of a notebook's cell, which keeps its keys from JupyterLab's shortcuts; element: what
// Jupyter gives a script, jQuery's or not.
export const show = (element, style, { figure, data, parts }) => {
  const body = make("div", { class: "live-body", keydown: event => event.stopPropagation() });
  element.append(make("div", { class: "live" }, make("style", {}, style), body));
  build(body, figure, data, name => parts[name]);
};
