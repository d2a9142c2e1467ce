// Uses every figure of the page as a reader does, and notes what it shows.

const results = { violations: 0, texts: {}, pixels: {}, places: {}, cells: [], hidden: [] };
addEventListener("securitypolicyviolation", () => results.violations++);

const figures = [...document.querySelectorAll(".live")], [hero, plane, line, many, board, matrix, trainings, claims] = figures;
const settle = async () => {
  for (let i = 0; i < 6; i++) await new Promise(requestAnimationFrame);
};
const note = async (name, canvas, text) => {
  await settle();
  const { data } = canvas.getContext("2d").getImageData(0, 0, 28, 28);
  results.pixels[name] = [...data].filter((_, i) => i % 4 === 0);
  results.texts[name] = text?.textContent;
};
const digit = figure => figure.querySelector(".live-digit[role=img]");
const shown = async canvases => {
  await settle();
  return [...canvases].map(canvas => [...canvas.getContext("2d").getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0));
};
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
  const controls = document.querySelectorAll(".live :is(button, input, [role=application], [role=img], [role=grid], [role=gridcell])");
  const name = element => element.ariaLabel || element.textContent.trim() || element.closest("label")?.textContent;
  results.nameless = [...controls].filter(element => !name(element)).length;
  results.ready = figures.map(figure => "ready" in figure.dataset);
  results.wide = figures.map(figure => figure.scrollWidth - figure.clientWidth);
  results.static = figures.map(figure => figure.querySelector(".live-static")?.checkVisibility());
  results.captions = figures.map(figure => figure.closest("figure")?.querySelector("figcaption").innerText);
  results.invitations = figures.map(figure => figure.querySelectorAll(".live-invitation").length);
  results.focusable = figures.map(figure => figure.querySelectorAll("button, input, [tabindex='0']").length);
};

const usePlane = async () => {
  const pad = plane.querySelector(".live-plane"), readout = plane.querySelector("output");
  await note("start", digit(plane), readout);
  results.taken = handled(pad, "ArrowRight", "ArrowUp", "ArrowUp");
  results.left = handled(pad, "Tab");
  await note("keys", digit(plane), readout);
  const margin = 28, inner = pad.clientWidth - margin, across = z => (z + given.extent) / (2 * given.extent) * inner;
  const at = (z1, z2) => [(margin + across(z1)) / pad.clientWidth, across(-z2) / pad.clientWidth];
  const knob = pad.querySelector(".live-knob"), say = async name => {
    await settle();
    results.places[name] = readout.firstChild.textContent;
  };
  point(pad, "pointermove", ...at(2, 2));
  await say("a pinned ring stays");
  handled(pad, "Enter");
  point(pad, "pointermove", ...at(-1.5, 0.5));
  await note("mouse", digit(plane), readout);
  results.likes = await shown(plane.querySelectorAll(".live-likes canvas"));
  for (const type of ["pointerdown", "pointerup", "pointermove"]) point(pad, type, ...at(type === "pointermove" ? 2 : 1, 1));
  await say("a click pins");
  point(knob, "pointerdown", 0.5, 0.5, 1);
  point(pad, "pointermove", ...at(-1, -1), 1);
  point(pad, "pointerup", ...at(-1, -1));
  await say("a drag moves");
  point(pad, "pointerdown", ...at(0, 1), 1, "touch");
  point(pad, "pointermove", ...at(0, 2), 1, "touch");
  point(pad, "pointercancel", ...at(0, 2), 0, "touch");
  await say("a swipe does not");
  for (const type of ["pointerdown", "pointerup"]) point(knob, type, 0.5, 0.5);
  await say("a click on the ring releases");
  const scatter = plane.querySelector("canvas"), before = scatter.toDataURL();
  click(plane, "4");
  await settle();
  results.chosen = [before !== scatter.toDataURL(), plane.querySelector("[aria-pressed=true]").textContent];
};

const useHero = async () => {
  const paper = hero.querySelector(".live-paper"), knob = hero.querySelector(".live-knob"), canvas = paper.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  results.example = data.some(value => value < 128);
  const place = () => knob.style.left + knob.style.top, before = place();
  const stroke = [[0.5, 0.2], [0.4, 0.5], [0.55, 0.8]];
  stroke.forEach(([x, y], i) => point(paper, i ? "pointermove" : "pointerdown", x, y, 1, "touch"));
  point(paper, "pointerup", 0.55, 0.8, 0, "touch");
  await note("drawn", digit(hero), hero.querySelector("output"));
  const drawn = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  results.ink = [...drawn].filter((_, i) => i % 4 === 0);
  results.moved = [before !== place(), place()];
  click(hero, "Clear");
  handled(paper, " ", "ArrowDown", "ArrowDown", "ArrowRight");
  results.typed = [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].filter(v => v === 0).length;
};

const useMatrix = async () => {
  const grid = matrix.querySelector("[role=grid]"), cell = () => grid.querySelector("[aria-selected=true]");
  const say = async () => {
    await settle();
    results.cells.push([cell().ariaLabel, matrix.querySelector("output").textContent, matrix.querySelectorAll(".live-cell-images canvas").length]);
  };
  const scatter = matrix.querySelector(".live-plane canvas");
  await say();
  results.images = await shown(matrix.querySelectorAll(".live-cell-images canvas"));
  const before = scatter.toDataURL();
  grid.querySelectorAll("[role=row]")[5].children[5].click();
  await say();
  results.lit = before !== scatter.toDataURL();
  cell().focus();
  handled(cell(), "ArrowRight", "ArrowDown");
  await say();
};

const useSliders = async () => {
  const range = line.querySelector("input"), of = number => many.querySelector(`[aria-label="z ${number}"]`);
  const ranges = [1, 2, 3].map(of);
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
  results.groups = [...many.querySelector(".live-rows").children].map(row => row.textContent);
  results.marks = [...many.querySelectorAll(".live-row")].map(row => row.textContent);
};

const useBoard = async () => {
  const pad = board.querySelector(".live-board"), [heading, canvas] = ["span", "canvas"].map(part =>
    board.querySelector(`.live-panel:nth-child(4) ${part}`));
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
  await note("truth", board.querySelector("[aria-label='The picture without its hole']"), board.querySelector(".live-verdict"));
  results.errors = [3, 5].map(n => board.querySelector(`.live-panel:nth-child(${n}) .live-value`).textContent);
};

const useStored = async () => {
  const epoch = trainings.querySelector("input"), lines = () => [...trainings.querySelectorAll("tr")].map(row => [...row.cells].map(cell => cell.textContent));
  results.epochs = [lines()];
  slide(epoch, 3);
  results.epochs.push(lines());
  results.bars = [...trainings.querySelectorAll(".live-bar")].map(bar => bar.style.getPropertyValue("--live-share"));
  results.epoch = epoch.getAttribute("aria-valuetext");
  const columns = () => [...claims.querySelectorAll(".live-verdicts")].map(column => column.textContent);
  results.verdicts = [columns()];
  click(claims, "C2");
  click(claims, "fast");
  results.verdicts.push(columns());
  const said = () => [...claims.querySelectorAll("output")].map(output => output.textContent);
  [results.change, results.why] = said();
  results.pressed = [...claims.querySelectorAll("[aria-pressed=true]")].map(button => button.textContent);
  click(claims, "without seed 7");
  results.without = [columns(), ...said()];
};

const act = async () => {
  for (const use of [look, useHero, usePlane, useMatrix, useSliders, useBoard, useStored]) await use();
  results.requests = performance.getEntriesByType("resource").length;
};
