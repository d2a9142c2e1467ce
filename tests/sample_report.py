"""A small report in four executed notebooks, made in memory as helpers.display shows things."""

import json
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers import display

matplotlib.use("agg")
from matplotlib.figure import Figure

ENDED = "2025-11-22T10:30:00.123456+00:00"
SHEET = Path(__file__).parent / "report" / "formulas.tsv"  # TeX, tab, Typst
FORMULAS = dict(line.split("\t") for line in SHEET.read_text("utf-8").splitlines())
PROSE = (
    "The encoder maps an image to a mean and a variance, the decoder maps a point of the latent "
    "space back to an image, and training balances two wishes: that the image comes back as it "
    "was, and that the codes of all images together look like the prior. What the first wish costs "
    "is called distortion, what the second costs is called rate, and their sum bounds the code "
    "length of an image from above."
)
ELBO = (
    r"$$\mathcal{L}(x) = \mathbb{E}_{q(z \mid x)}[\log p(x \mid z)] "
    r"- \operatorname{KL}(q(z \mid x) \,\|\, p(z)) \label{eq-elbo}$$"
)


def shown(data: dict, **report):
    """An output with metadata for the report."""
    metadata = {"report": report} if report else {}
    return new_output("display_data", data=data, metadata=metadata)


def cell(source: str, *outputs, tags=(), **options):
    """An executed code cell; options become its `#|` lines (`fig_cap=` is `fig-cap`)."""
    lines = [f"#| {name.replace('_', '-')}: {json.dumps(o)}" for name, o in options.items()]
    source, metadata = "\n".join([*lines, source]), {"tags": list(tags)}
    return new_code_cell(source, outputs=list(outputs), execution_count=1, metadata=metadata)


def text(source: str, *tags: str):
    """A Markdown cell."""
    return new_markdown_cell(source.strip(), metadata={"tags": list(tags)})


def figure(fig: Figure, label: str, caption: str, alt: str, **report):
    """A cell that ends with a figure, captioned in its options."""
    outputs = [shown({"image/svg+xml": display.svg(fig)}, kind="figure", **report)]
    outputs.append(shown({"text/markdown": f"*{caption}*"}, kind="caption"))
    return cell("fig", *outputs, label=label, fig_cap=caption, fig_alt=alt)


def table(frame: pd.DataFrame, label: str, caption: str, align: str = ""):
    """A cell that ends with a DataFrame, captioned by display.caption."""
    frame.attrs["align"] = align
    markdown = display.pipe_table(frame)
    return cell("t", shown({"text/markdown": markdown}, kind="table", caption=caption), label=label)


def notebook(cells: list, **report):
    """An executed notebook with the report's metadata."""
    papermill = {"end_time": ENDED}
    return new_notebook(cells=cells, metadata={"report": report, "papermill": papermill})


def curve(width: float = 6.0, height: float = 3.2) -> Figure:
    """A figure with a line."""
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    epochs = np.arange(1, 31)
    axes.plot(epochs, 150 + 90 * np.exp(-epochs / 3))
    axes.set(xlabel="epoch", ylabel="loss (nats per image)")
    return figure


def panels() -> Figure:
    """A figure with an image and a scatter plot."""
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    noise = np.random.default_rng(0)
    left.imshow(noise.random((60, 60)), cmap="gray")
    points = noise.normal(size=(800, 2))
    right.scatter(*points.T, c=np.arange(800) % 10, cmap="tab10", s=5, rasterized=True)
    return figure


def baseline():
    """The first notebook: title page, equation, figure, table, listing, appendix."""
    columns = ["model", "latent dimension", "loss", "verdict"]
    rows = [
        ["[baseline](00_baseline.ipynb)", "$2$", "148.09", "**confirmed**"],
        ["1-D", "$1$", "165.12", "refuted"],
    ]
    progress = shown({"text/plain": "epoch 3/30"}, kind="progress")
    code = 'def elbo(x):\n    """The bound of one image."""\n    return log_p(x) - kl(x)'
    source = 'def curve():\n    """The drawing."""'
    listing = shown({"text/markdown": "..."}, kind="listing", code=source)
    cells = [
        text(
            "# Variational autoencoders\n\nA variational autoencoder (see [Kingma and Welling]"
            "(#cite-kingma2014)) learns to draw digits. This section trains one, and "
            f"[Figure](#fig-loss) shows how its loss falls. {PROSE}"
        ),
        cell('profile = "report"  # training protocol\nseed = 0  # seed', tags=["parameters"]),
        cell("import numpy as np", progress),
        text("This report measures each of its claims; the loss is $148.09$ nats.", "abstract"),
        text(
            f"## The bound\n\nTraining makes the bound\n{ELBO}\nas large as it can be. "
            "[Equation](#eq-elbo) has two terms. The first sum runs over $784$ pixels.\n\n"
            "- one point, with `code` in it\n- another — “quoted” & 50 % of $x_i$\n\n"
            f"1. first\n2. second\n\n> A quotation with *emphasis*.\n\n{PROSE}\n\n{PROSE}"
        ),
        cell("loss = -elbo(x)\nassert loss.shape == (128,)"),
        figure(
            curve(),
            "fig-loss",
            "Loss per epoch of the baseline, in nats: it falls to $150$ within ten epochs.",
            "A curve that falls steeply from 215 and levels off at 150.",
        ),
        cell(code, tags=["listing"], label="lst-elbo", lst_cap="The bound [(1)](#eq-elbo)."),
        text(
            f"## Training\n\n{PROSE}\n\nSee [](#lst-elbo), [Table](#tbl-losses) and [the first "
            "section](#the-bound).\n\n```python\nx = 1  # shown as it is\n```\n\n"
            "| a | b |\n|---|--:|\n| plain | $1$ |\n| last | $2$ |"
        ),
        table(pd.DataFrame(rows, columns=columns), "tbl-losses", "Losses, in nats.", "lrrl"),
        figure(
            panels(),
            "fig-latent",
            "Left: the decoded latent grid. Right: latent means, coloured by digit.",
            "Two panels: grey noise on the left, a round cloud of points on the right.",
        ),
        text(f"As [Figure](#fig-latent) shows, the cloud is round. {PROSE}\n\n{PROSE}"),
        text("# Code of the figures\n\nThe functions below draw the figures.", "appendix"),
        cell(
            "display.source(curve)",
            listing,
            label="lst-curve",
            lst_cap="What draws [Figure](#fig-loss).",
            tags=["appendix"],
        ),
    ]
    subtitle = "A course report that can be run, changed and checked"
    return notebook(cells, level=1, title="Variational autoencoders, measured", subtitle=subtitle)


def latent():
    """A notebook one part deeper, with computed prose and printed output."""
    printed = new_output("stream", name="stdout", text="\x1b[31mepochs\x1b[0m 30 → done ✓\n")
    computed = (
        "The loss rises by **17.0** nats, see [loss](00_baseline.ipynb#training) and "
        "[bound](00_baseline.ipynb#The-bound)."
    )
    cells = [
        text(f"# Latent dimension 1\n\nOne dimension is a line. {PROSE}"),
        cell("Markdown(…)", shown({"text/markdown": computed})),
        figure(curve(4, 3), "fig-line", "Loss of the 1-D model.", "A falling curve."),
        cell('print("epochs 30")', printed),
        text(
            f"## What is lost\n\n{PROSE} In [Figure](#fig-line) and [Figure](00_baseline.ipynb"
            "#fig-loss) the curves differ [Burda et al.](#cite-burda2016) [](#cite-kingma2014)."
        ),
    ]
    part = {"title": "The latent dimension", "level": 2, "text": "Two notebooks vary it."}
    return notebook(cells, level=3, part=part)


def formulas():
    """A notebook of formulas: the regression sheet."""
    sheet = "\n\n".join(f"$${tex}$$" for tex in FORMULAS)
    return notebook([text(f"# Formulas\n\nInline: {INLINE}.\n\n{sheet}"), cell("x = 1")], level=1)


def claims():
    """A notebook with a long, wide table and an appendix of its own."""
    columns = ["id", "claim", "published", "ours", "95 % interval", "unit", "verdict", "section"]
    claim = "the decoded manifold changes *smoothly*: near points decode to similar digits"
    values = ["151.50", "148.09 ± 0.4", "[147.7, 148.5]", "nats", "not decidable from one run"]
    where = "[s](02_latent_1d.ipynb#what-is-lost)"
    frame = pd.DataFrame([[f"C{i}", claim, *values, where] for i in range(1, 25)], columns=columns)
    caption = "All claims, with the published value, ours, and the verdict."
    secret = shown({"text/plain": "secret too"})
    cells = [
        text(f"# Claims\n\n[Table](#tbl-claims) lists them. {PROSE}"),
        table(frame, "tbl-claims", caption, "llrrrlll"),
        text("# Environment\n\n## Versions\n\nKeras 3.", "appendix"),
        cell("secret = 1", secret, include=False),
        cell("hidden = 2", echo=False),
    ]
    return notebook(cells, level=1)


def sample() -> dict:
    """The four notebooks by name."""
    names = ("00_baseline", "02_latent_1d", "04_loss", "08_claims")
    return dict(zip(names, (baseline(), latent(), formulas(), claims()), strict=True))


def write(folder: Path, notebooks: dict | None = None) -> Path:
    """The notebooks as files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (notebooks or sample()).items():
        nbformat.write(content, str(folder / f"{name}.ipynb"))
    return folder


INLINE = (
    r"$\mu_j^2$, $q_\phi(z \mid x)$, $\log \sigma^2$, $\mathcal{N}(0, I)$, $\hat{x}$, "
    r"$10^{-3}$, $|x|$, $\mathbf{z}$, $f(x)$(not a call), $x$, $1 / \ln 2 \approx 1.44$, $n'$, "
    r"$1 - 2^{-5} \approx 97 \%$, $G = U S V^\top$, $\lambda\,(1 - \lambda)$, $\Delta$, $h w a$"
)
