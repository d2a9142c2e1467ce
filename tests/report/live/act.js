// Uses every figure of the page as a reader does, and notes what it shows.

const results = { violations: 0, texts: {}, pixels: {}, hidden: [] };
addEventListener("securitypolicyviolation", () => results.violations++);

const figures = [...document.querySelectorAll(".live")], [plane, line, many, board] = figures;
const settle = async () => {
  for (let i = 0; i < 6; i++) await new Promise(requestAnimationFrame);
};
const note = async (name, canvas, text) => {
  await settle();
  const { data } = canvas.getContext("2d").getImageData(0, 0, 28, 28);
  results.pixels[name] = [...data].filter((_, i) => i % 4 === 0);
  results.texts[name] = text?.textContent;
};
const digit = figure => figure.querySelector(".live-digit");
const handled = (element, ...keys) => keys.map(key =>
  !element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })));
const point = (element, type, x, y, buttons = 0, pointerType = "mouse") => {
  const box = element.getBoundingClientRect(), [clientX, clientY] = [box.x + x * box.width, box.y + y * box.height];
  element.dispatchEvent(new PointerEvent(type, { clientX, clientY, buttons, pointerType, bubbles: true }));
};
const slide = (range, value) => {
  range.value = value;
  range.dispatchEvent(new Event("input"));
};
const click = (figure, text) =>
  [...figure.querySelectorAll("button")].find(button => button.textContent === text).click();

const look = async () => {
  for (const figure of figures) {
    figure.scrollIntoView();
    await settle();
  }
  const controls = document.querySelectorAll(".live :is(button, input, [role=application], [role=img])");
  const name = element => element.ariaLabel || element.textContent.trim() || element.closest("label")?.textContent;
  results.nameless = [...controls].filter(element => !name(element)).length;
  results.ready = figures.map(figure => "ready" in figure.dataset);
  results.wide = figures.map(figure => figure.scrollWidth - figure.clientWidth);
  results.static = figures.map(figure => figure.querySelector(".live-static").checkVisibility());
  results.focusable = figures.map(figure => figure.querySelectorAll("button, input, [tabindex='0']").length);
};

const usePlane = async () => {
  const pad = plane.querySelector(".live-plane"), readout = plane.querySelector("output");
  await note("start", digit(plane), readout);
  results.taken = handled(pad, "ArrowRight", "ArrowUp", "ArrowUp");
  results.left = handled(pad, "Tab");
  await note("keys", digit(plane), readout);
  const margin = 28, inner = pad.clientWidth - margin, across = z => (z + given.extent) / (2 * given.extent) * inner;
  point(pad, "pointermove", (margin + across(-1.5)) / pad.clientWidth, across(-0.5) / pad.clientWidth);
  await note("mouse", digit(plane), readout);
  const scatter = plane.querySelector("canvas"), before = scatter.toDataURL();
  click(plane, "4");
  await settle();
  results.chosen = [before !== scatter.toDataURL(), plane.querySelector("[aria-pressed=true]").textContent];
};

const useSliders = async () => {
  const range = line.querySelector("input"), ranges = [...many.querySelectorAll("input")];
  slide(range, 9);
  await note("slid", digit(line), line.querySelector(".live-readout"));
  results.value = range.getAttribute("aria-valuetext");
  slide(ranges[1], 1.5);
  await note("one of three", digit(many));
  for (const [name, button] of [["sample", "Sample from the prior"], ["reset", "Reset"]]) {
    click(many, button);
    await note(name, digit(many));
    results[name] = ranges.map(each => Number(each.value));
  }
  results.marks = [...many.querySelectorAll(".live-row")].map(row => row.textContent);
};

const useBoard = async () => {
  const pad = board.querySelector(".live-board"), [heading, canvas] = ["span", "canvas"].map(part =>
    board.querySelector(`.live-panel:nth-child(3) ${part}`));
  const picker = board.querySelectorAll("[aria-label^='Test '] button");
  results.pictures = [...picker].map(choice => choice.getAttribute("aria-label"));
  const count = async () => {
    await settle();
    results.hidden.push(board.querySelector(".live-panels ~ .live-hint").textContent.split(" ")[0]);
  };
  await count();
  click(board, "No hole");
  await count();
  point(pad, "pointerdown", 0.5, 0.5, 1, "touch");
  point(pad, "pointermove", 0.7, 0.5, 1, "touch");
  point(pad, "pointermove", 0.1, 0.1, 0, "touch");
  await note("painted", pad.querySelector("canvas"));
  await count();
  handled(pad, "ArrowDown", "ArrowRight", " ");
  await count();
  handled(pad, "Backspace");
  await count();
  click(board, "Square hole");
  const end = performance.now() + 20_000;
  while (!heading.textContent.endsWith("step 6") && performance.now() < end) await settle();
  await note("chain", canvas, heading);
};

const act = async () => {
  for (const use of [look, usePlane, useSliders, useBoard]) await use();
  results.requests = performance.getEntriesByType("resource").length;
};
