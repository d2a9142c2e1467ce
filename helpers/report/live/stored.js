// Stored runs: the courses of trainings, epoch by epoch, and the verdicts, by recipe and seed.

import { button, choices, invitation, isStill, make, number } from "./common.js";

// ---- A slider over epochs: of every run its rate, as a bar too, its distortion and the dimensions in use.

export const courses = (element, { runs, dimensions }) => {
  const last = Math.max(...runs.map(({ rate }) => rate.length)), most = Math.max(...runs.flatMap(({ rate }) => rate));
  const shown = make("span", { class: "live-value" }), range = make("input", {
    type: "range", min: 1, max: last, step: 1, value: 1, "aria-label": "Epoch", input: () => draw(),
  });
  const rows = runs.map(({ name, rate, distortion, active, used }) => {
    const bar = make("div", { class: "live-bar" }), cells = [0, 1, 2].map(() => make("td"));
    const show = epoch => {
      const i = Math.min(epoch, rate.length) - 1, now = active[i] ?? used;
      bar.style.setProperty("--live-share", rate[i] / most);
      const texts = [number(rate[i], 1), number(distortion[i], 1), now === null ? "\u2013" : `${now} of ${dimensions}`];
      texts.forEach((text, n) => { cells[n].textContent = text; });
    };
    const title = name + (rate.length < last ? `, ${rate.length} epochs` : "");
    return { show, row: make("tr", {}, make("th", { scope: "row" }, title), make("td", {}, bar), ...cells) };
  });
  const draw = () => {
    const epoch = Number(range.value);
    shown.textContent = `epoch ${epoch} of ${last}`;
    range.setAttribute("aria-valuetext", shown.textContent);
    rows.forEach(({ show }) => show(epoch));
  };
  const counted = runs.some(({ active }) => active.length) ? "in use" : "in use at the end";
  const heads = ["run", "", "rate", "distortion", counted].map(text => (text ? make("th", { scope: "col" }, text) : make("td")));
  element.append(
    invitation("Drag the slider through the epochs of training. Bars: the rate, in nats per image."),
    make("div", { class: "live-epochs" }, range, shown),
    make("table", { class: "live-courses", "aria-label": "Runs at this epoch" },
      make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows.map(({ row }) => row))),
  );
  draw();
};

// ---- Switches of the recipe, and of a seed that is left out, which move the claims between their verdicts.

export const verdicts = (element, { forms, seeds, marks, claims }) => {
  const status = make("output", { class: "live-readout" }), details = make("output", { class: "live-readout" });
  const names = ["all seeds", ...seeds.map(seed => `without seed ${seed}`)];
  let form = 0, seed = 0, chosen = null;  // seed: 0 for all, else which is left out, from 1
  const verdict = ({ found, without }, n = form) => (seed ? without[n][seed - 1] : found[n][0]);
  const columns = marks.map(([name, sign]) => {
    const [count, tiles] = [make("span", { class: "live-value" }), make("div", { class: "live-tiles" })];
    return { name, count, tiles, column: make("div", { class: "live-verdicts", role: "group", "aria-label": name }, make("p", {}, `${sign} ${name}: `, count), tiles) };
  });
  const describe = () => {
    tiles.forEach((tile, i) => tile.setAttribute("aria-pressed", i === chosen));
    if (chosen === null) return;
    const { id, words, found } = claims[chosen], all = forms.map((name, n) => `${name}: ${verdict(claims[chosen], n)}`).join("; ");
    details.textContent = `${id}: ${words}. ${all} (${names[seed]}). By all seeds, ${forms[form]}: ${found[form][1]}`;
  };
  const tiles = claims.map(({ id, words }, i) => button(id, () => {
    chosen = i;
    describe();
  }, { "aria-pressed": "false", title: words }));
  const place = () => tiles.forEach((tile, i) => columns.find(({ name }) => name === verdict(claims[i])).tiles.append(tile));
  const change = (toForm, toSeed) => {
    const places = () => tiles.map(tile => tile.getBoundingClientRect()), before = places();
    const former = claims.map(claim => verdict(claim)), same = toForm === form && toSeed === seed;
    [form, seed] = [toForm, toSeed];
    const moved = claims.map((claim, i) => verdict(claim) !== former[i]);
    place();
    places().forEach((now, i) => {
      tiles[i].toggleAttribute("data-moved", moved[i]);
      const from = `${before[i].x - now.x}px ${before[i].y - now.y}px`;
      if (!isStill()) tiles[i].animate([{ translate: from }, { translate: "0 0" }], { duration: 500, easing: "ease-in-out" });
    });
    columns.forEach(({ count, tiles }) => { count.textContent = tiles.children.length; });
    status.textContent = same ? "" : `${moved.filter(Boolean).length} of ${claims.length} verdicts change.`;
    describe();
  };
  element.append(
    invitation("Switch the recipe, or leave out the runs of one seed: claims move to their verdicts. Choose a claim to read why."),
    choices("Models trained", forms, next => change(next, seed)),
    ...(seeds.length ? [choices("Seeds", names, next => change(form, next))] : []),
    make("div", { class: "live-board-of-verdicts" }, ...columns.map(({ column }) => column)),
    status, details,
  );
  place();
  change(0, 0);
};
