const root = document.documentElement, $ = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const make = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};
const words = element => element.textContent.replace(/\s+/g, " ").trim();

// The theme: the system's, or what the reader has chosen last.
const theme = $("#theme");
theme.value = root.dataset.theme ?? "";
theme.addEventListener("change", () => {
  if (theme.value) root.dataset.theme = theme.value; else delete root.dataset.theme;
  try { localStorage.setItem("theme", theme.value); } catch {} // some browsers keep nothing of files
  dispatchEvent(new Event("themechange"));
});

// One switch for all folded code.
const folded = all("details.code"), every = $("#all-code");
every.hidden = !folded.length;
every.addEventListener("click", () => {
  const shown = every.getAttribute("aria-pressed") !== "true";
  every.setAttribute("aria-pressed", shown);
  folded.forEach(fold => { fold.open = shown; });
});

// Paper has the answers; afterwards they are as they were. Folded code is left out.
let opened = [];
addEventListener("beforeprint", () => {
  hide();
  opened = all("details.answer:not([open])");
  opened.forEach(fold => { fold.open = true; });
});
addEventListener("afterprint", () => opened.splice(0).forEach(fold => { fold.open = false; }));

// Code can be copied.
const copy = async text => {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // not allowed here: the old way
    const area = make("textarea", { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
};
all("main pre:not(.output)").forEach(pre => {
  const button = make("button", { type: "button", textContent: "Copy", ariaLabel: "Copy this code" });
  button.addEventListener("click", async () => {
    await copy(pre.textContent);
    button.focus();
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  const box = make("div", { className: "box" });
  pre.replaceWith(box);
  box.append(pre, button);
});

// What is too wide for a phone: formulas shrink, tables become cards; what still scrolls does so by keyboard too.
const fit = () => {
  const narrow = matchMedia("(max-width: 45rem)").matches, formulas = all(".formula"), tables = all(".scroll");
  formulas.forEach(formula => { formula.style.fontSize = ""; });
  tables.forEach(table => table.classList.remove("stacked"));
  const wide = tables.filter(table => narrow && table.scrollWidth > table.clientWidth + 1);
  const sizes = formulas.map(formula => [formula, formula.clientWidth / formula.scrollWidth]);
  wide.forEach(table => table.classList.add("stacked"));
  for (const [formula, share] of sizes) {
    if (narrow && share < 1) formula.style.fontSize = `${Math.max(0.5, 0.98 * share)}em`;
    if (share < 1) formula.tabIndex = 0; else formula.removeAttribute("tabindex");
  }
};
let width = 0;
new ResizeObserver(() => {
  if (width !== innerWidth) fit();
  width = innerWidth;
}).observe(root);
document.fonts.ready.then(fit);

// The contents mark the section that is being read, and follow; on a phone they are a drawer.
const contents = $("#contents"), opener = $("#open-contents");
const lines = new Map(all("a", contents).map(line => [line.hash.slice(1), line]));
const heads = all("main :is(h2, h3, h4)[id]").filter(head => lines.has(head.id));
let here = null, waiting = false;
const mark = () => {
  waiting = false;
  const line = lines.get(heads.findLast(head => head.getBoundingClientRect().top < innerHeight / 3)?.id);
  if (line === here) return;
  here?.removeAttribute("aria-current");
  all(".here", contents).forEach(item => item.classList.remove("here"));
  here = line;
  here?.setAttribute("aria-current", "true");
  for (let item = here?.closest("li"); item; item = item.parentElement.closest("#contents li")) item.classList.add("here");
  follow();
};
const follow = () => {
  if (!here) return;
  const place = here.getBoundingClientRect(), box = contents.getBoundingClientRect();
  if (place.top < box.top + 60 || place.bottom > box.bottom - 60)
    contents.scrollTop += place.top - box.top - box.height / 3;
};
addEventListener("scroll", () => {
  if (!waiting) requestAnimationFrame(mark);
  waiting = true;
}, { passive: true });
mark();
const drawer = open => {
  if (open === contents.classList.contains("open")) return;
  contents.classList.toggle("open", open);
  opener.setAttribute("aria-expanded", open);
  if (!open) return opener.focus({ preventScroll: true });
  follow();
  setTimeout(() => (here ?? $("a", contents)).focus({ preventScroll: true }), 200); // once it can be seen
};
opener.addEventListener("click", () => drawer(!contents.classList.contains("open")));
document.addEventListener("click", event => {
  if (event.target.closest("#contents a") || !event.target.closest("#contents, #open-contents")) drawer(false);
});

// Search: sections, and captions of figures, tables and listings, that hold every word.
const dialog = $("#search"), input = $("input", dialog), found = $("ol", dialog), status = $("[role=status]", dialog);
let entries;
const index = () => {
  const made = [];
  for (const part of all("main > :not(nav, script, header), .abstract > *")) {
    const heading = part.matches(":is(h2, h3, h4, h5, h6)"), caption = part.id && $("figcaption", part);
    if (heading) made.push({ id: part.id, title: words(part).replace(/#$/, ""), texts: [] });
    else if (caption) made.push({ id: part.id, title: words($(".label", caption)), texts: [caption, $("table, pre", part)].filter(Boolean).map(words), apart: true });
    else if (!part.matches("details.code, .links"))
      (made.findLast(entry => !entry.apart) ?? (made[0] = { id: "text", title: "Summary", texts: [] })).texts.push(words(part));
  }
  return made.map(({ id, title, texts }) => {
    const text = texts.join(" ");
    return { id, title, text, low: `${title} ${text}`.toLowerCase(), head: title.toLowerCase() };
  });
};
const marked = (text, sought) => {
  const low = text.toLowerCase(), first = Math.max(0, Math.min(...sought.map(word => low.indexOf(word)).filter(n => n >= 0)));
  const start = Number.isFinite(first) && first > 50 ? text.indexOf(" ", first - 50) + 1 : 0;
  const escaped = sought.map(word => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  const pieces = text.slice(start, start + 150).split(new RegExp(`(${escaped})`, "i"));
  return [start ? "… " : "", ...pieces.map((piece, n) => (n % 2 ? make("mark", {}, piece) : piece)), " …"];
};
const find = () => {
  entries ??= index();
  const sought = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const score = ({ head, low }) => sought.reduce((sum, word) => sum + 9 * head.includes(word) + low.split(word).length - 1, 0);
  const hits = sought.length ? entries.filter(({ low }) => sought.every(word => low.includes(word))) : [];
  hits.sort((a, b) => score(b) - score(a));
  status.textContent = sought.length ? `${hits.length} ${hits.length === 1 ? "place" : "places"} found` : "In headings, text and captions. Arrow keys move, Enter opens.";
  found.replaceChildren(...hits.slice(0, 30).map(({ id, title, text }) =>
    make("li", {}, make("a", { href: `#${id}` }, make("b", {}, title), make("span", {}, ...marked(text, sought))))));
};
const search = () => {
  drawer(false);
  hide();
  dialog.showModal();
  input.select();
  find();
};
input.addEventListener("input", find);
$("#open-search").addEventListener("click", search);
dialog.addEventListener("click", event => {
  if (event.target === dialog || event.target.closest("a")) dialog.close();
});
dialog.addEventListener("keydown", event => {
  const stops = [input, ...all("a", found)], step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) stops[Math.max(0, stops.indexOf(document.activeElement) + step)]?.focus();
  else if (event.key === "Enter" && event.target === input) stops[1]?.click();
  else return;
  event.preventDefault();
});
document.addEventListener("keydown", event => {
  const typing = event.target.closest("input, textarea, select, [contenteditable], .live");
  if (event.key === "/" && !typing && !dialog.open && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search();
  } else if (event.key === "Escape") {
    hide();
    drawer(false);
  }
});

// Previews of what a link leads to: on hover and focus; on a phone at the first tap, with a link to go there.
const preview = $("#preview");
let shown = null, timer, touch = false;
const hide = () => {
  clearTimeout(timer);
  shown?.removeAttribute("aria-describedby");
  shown = null;
  preview.hidden = true;
};
const excerpt = target => {
  if (!target.matches("h2, h3, h4, h5, h6")) return [target.matches("li, tr") ? make("div", {}, ...target.cloneNode(true).childNodes) : target.cloneNode(true)];
  const next = target.nextElementSibling?.matches(".links") ? target.nextElementSibling.nextElementSibling : target.nextElementSibling;
  return [make("p", {}, make("b", {}, words(target).replace(/#$/, ""))), ...(next?.matches("p, ul, ol") ? [next.cloneNode(true)] : [])];
};
const show = link => {
  const target = document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (!target || target === $("main") || link === shown) return;
  hide();
  preview.replaceChildren(...excerpt(target));
  all(".live", preview).forEach(live => live.replaceWith($(".picture", live)));
  all("script, button, .data, .anchor", preview).forEach(part => part.remove());
  [preview, ...all("*", preview)].forEach(part => {
    if (part !== preview) part.removeAttribute("id");
    part.removeAttribute("aria-labelledby");
    part.removeAttribute("tabindex");
  });
  all("a", preview).forEach(a => a.replaceWith(...a.childNodes));
  if (touch) preview.append(make("a", { className: "go", href: link.hash, textContent: `Go to ${words(link)}` }));
  preview.hidden = false;
  shown = link;
  link.setAttribute("aria-describedby", "preview");
  const at = link.getClientRects()[0], { width, height } = preview.getBoundingClientRect();
  const left = Math.min(Math.max(at.left, 16), Math.max(16, root.clientWidth - width - 16));
  const below = at.bottom + 8 + height < innerHeight || at.top < height + 8;
  preview.style.left = `${left + scrollX}px`;
  preview.style.top = `${(below ? at.bottom + 8 : at.top - height - 8) + scrollY}px`;
};
const linked = event => event.target.closest?.('main a[href^="#"]:not(.anchor):not(nav a)');
const later = (milliseconds, action) => {
  clearTimeout(timer);
  timer = setTimeout(action, milliseconds);
};
document.addEventListener("pointerover", event => {
  if (event.pointerType !== "mouse") return;
  const link = linked(event);
  if (link) later(250, () => show(link));
  else if (preview.contains(event.target)) clearTimeout(timer);
  else later(250, hide);
});
document.addEventListener("pointerdown", event => { touch = event.pointerType === "touch"; });
document.addEventListener("focusin", event => {
  const link = linked(event);
  if (link?.matches(":focus-visible") && !touch) show(link);
  else if (!preview.contains(event.target) && !touch) hide();
});
document.addEventListener("click", event => {
  const link = linked(event);
  if (link && touch && link !== shown) {
    event.preventDefault();
    show(link);
  } else if (!preview.contains(event.target) || event.target.closest("a")) hide();
});
