const contents = document.querySelector("#contents details");
if (matchMedia("(max-width: 68rem)").matches) contents.open = false;
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(d => d.open = true));

// One switch for all folded code.
const folded = [...document.querySelectorAll("details.code")], all = document.querySelector("#all-code");
all.hidden = !folded.length;
all.addEventListener("click", () => {
  const shown = all.getAttribute("aria-pressed") !== "true";
  all.setAttribute("aria-pressed", shown);
  folded.forEach(d => d.open = shown);
});

// What scrolls sideways can be scrolled by keyboard.
const reach = () => document.querySelectorAll(".formula").forEach(f => {
  if (f.scrollWidth > f.clientWidth) f.tabIndex = 0; else f.removeAttribute("tabindex");
});
addEventListener("resize", reach);
document.fonts.ready.then(reach);

// The contents mark the section that is being read.
const lines = new Map([...contents.querySelectorAll("a")].map(a => [a.hash.slice(1), a]));
const heads = [...document.querySelectorAll("main :is(h2, h3, h4)[id]")].filter(h => lines.has(h.id));
const mark = () => {
  const here = heads.findLast(h => h.getBoundingClientRect().top < innerHeight / 3);
  lines.forEach((a, id) => id === here?.id ? a.setAttribute("aria-current", "true") : a.removeAttribute("aria-current"));
};
addEventListener("scroll", mark, { passive: true });
mark();
