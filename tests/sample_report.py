"""A small report in four executed notebooks, made in memory with the real helpers.display."""

import base64
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers import display

matplotlib.use("agg")
from matplotlib.figure import Figure

ENDED = "2025-11-22T10:30:00.123456+00:00"
FORMULAS = r"""
$$\mathcal{L}(x) = \mathbb{E}_{q_\phi(z \mid x)}\left[\log p_\theta(x \mid z)\right] - \operatorname{KL}\left(q_\phi(z \mid x) \,\|\, p(z)\right)$$
$$\operatorname{KL} = \frac{1}{2} \sum_{j=1}^{d} \left( \mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2 \right)$$
$$\begin{aligned} \log p(x) &= \log \int p(x \mid z)\, p(z) \,\mathrm{d}z \\ &\ge \mathbb{E}_{q}\left[ \log \frac{p(x, z)}{q(z \mid x)} \right] \end{aligned}$$
$$m_{ij} = \begin{cases} 0 & \text{if } 10 \le i, j \le 19 \\ 1 & \text{otherwise} \end{cases}$$
$$z = \mu + \sigma \odot \varepsilon, \qquad \varepsilon \sim \mathcal{N}(0, I)$$
$$-\log p(x \mid z) = \underbrace{-\sum_i x_i \log \hat{x}_i}_{\text{ink}} \; \underbrace{-\sum_i (1 - x_i) \log (1 - \hat{x}_i)}_{\text{paper}}$$
$$\lVert \mathbf{x} - \hat{\mathbf{x}} \rVert_2^2 = \sum_{i=1}^{784} (x_i - \hat x_i)^2, \quad |a| \le \sqrt{b}, \quad \boldsymbol{\mu}, \bar{x}, \tilde{z}, \widehat{abc}, x'$$
$$L_k = \mathbb{E}_{z_1, \dots, z_k \sim q} \left[ \log \frac{1}{k} \sum_{i=1}^{k} \frac{p(x, z_i)}{q(z_i \mid x)} \right] \le L_{k+1} \le \log p(x)$$
$$p_\theta(x) = \int p_\theta(x \mid z)\, \mathcal{N}(z; 0, I)\, \mathrm{d}z, \quad \hat\theta = \arg\max_\theta \; \mathcal{L}, \quad \operatorname{Tr}\!\left(\Sigma_r + \Sigma_g - 2(\Sigma_r \Sigma_g)^{1/2}\right)$$
$$\left\lfloor \frac{n + 2p - k}{s} \right\rfloor + 1, \quad \left.\frac{\partial f}{\partial x}\right|_{x=0}, \quad \begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix}, \quad \max_{i \in \{1, \ldots, n\}} a_i, \quad \exp\bigl(-\tfrac{1}{2} t^2\bigr), \quad \sigma^2(x), \quad \nabla_\theta, \quad 28 \times 28 \to 7 \times 7$$
$$\lceil 7/2 \rceil = 4, \; \langle a, b \rangle, \; \|a\|, \; f\colon A \to B, \; x \in \mathbb{R}^{784}, \; a \cdot b \approx 1{,}000, \; 50\,\%, \; \{0, 1\}, \; \overline{ab}, \; A \subset B, \; \ln x, \; \mathrm{KL}_j, \; \lim_{n \to \infty} a_n$$
""".strip().splitlines()


class Recorder:
    """Collects what helpers.display shows as outputs of a notebook's cell."""

    def __init__(self):
        self.outputs = []

    def __call__(self, bundle: dict, report: dict | None = None) -> None:
        """Stand in for display._publish."""
        data = {k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in bundle.items()}
        metadata = {"report": report} if report else {}
        self.outputs.append(new_output("display_data", data=data, metadata=metadata))


def cell(source: str, show=None, tags=(), **report):
    """An executed code cell; `show` displays what the cell shows."""
    recorder, publish = Recorder(), display._publish
    display._publish = recorder
    try:
        if show:
            show()
    finally:
        display._publish = publish
    metadata = {"tags": list(tags)} | ({"report": report} if report else {})
    return new_code_cell(source, outputs=recorder.outputs, execution_count=1, metadata=metadata)


def text(source: str, *tags: str):
    """A Markdown cell."""
    return new_markdown_cell(source.strip(), metadata={"tags": list(tags)})


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
    elbo = r"$$\mathcal{L}(x) = \mathbb{E}_{q(z \mid x)}[\log p(x \mid z)] - \operatorname{KL}(q(z \mid x) \,\|\, p(z)) \label{eq-elbo}$$"
    rows = [
        ["[baseline](00_baseline.ipynb)", "$2$", "148.09", "**confirmed**"],
        ["1-D", "$1$", "165.12", "refuted"],
    ]
    return notebook(
        [
            text(
                "# Variational autoencoders\n\nA variational autoencoder (see [Kingma and Welling](#cite-kingma2014)) learns to draw digits. This section trains one, and [Figure](#fig-loss) shows how its loss falls. "
                + PROSE
            ),
            cell('profile = "report"  # training protocol\nseed = 0  # seed', tags=["parameters"]),
            cell(
                "import numpy as np",
                lambda: display._publish({"text/plain": "epoch 3/30"}, {"kind": "progress"}),
            ),
            text(
                "This report reproduces a course report and measures each of its claims; the loss of its baseline is $148.09$ nats per image.",
                "abstract",
            ),
            text(
                f"## The bound\n\nTraining makes the bound\n{elbo}\nas large as it can be. [Equation](#eq-elbo) has two terms: rate and distortion. The first sum runs over $784$ pixels, the second over $d$ latent dimensions; both are in nats.\n\n- one point, with `code` in it\n- another — “quoted” & 50 % of $x_i$\n\n1. first\n2. second\n\n> A quotation with *emphasis*.\n\n{PROSE}\n\n{PROSE}"
            ),
            cell("loss = -elbo(x)\nassert loss.shape == (128,)"),
            cell(
                "show_figure(fig, …)",
                lambda: display.show_figure(
                    curve(),
                    "fig-loss",
                    "Loss per epoch of the baseline, in nats: it falls to $150$ within ten epochs.",
                    "A curve that falls steeply from 215 and levels off at 150.",
                ),
            ),
            cell(
                'def elbo(x):\n    """The bound of one image."""\n    z = encoder(x)[0] + 0.5  # a sample\n    return log_likelihood(x, z) - kl(z)',
                tags=["listing"],
                label="lst-elbo",
                caption="The bound [(1)](#eq-elbo) as a function.",
            ),
            text(
                f"## Training\n\n{PROSE}\n\nSee [](#lst-elbo), [Table](#tbl-losses) and [the first section](#the-bound).\n\n| a | b |\n|---|--:|\n| plain | $1$ |\n\n```python\nx = 1  # shown as it is\n```"
            ),
            cell(
                "show_table(…)",
                lambda: display.show_table(
                    ["model", "latent dimension", "loss", "verdict"],
                    rows,
                    "tbl-losses",
                    "Losses of the models, in nats per image.",
                    "lrrl",
                ),
            ),
            cell(
                "show_figure(panels)",
                lambda: display.show_figure(
                    panels(),
                    "fig-latent",
                    "Left: the decoded latent grid. Right: latent means, coloured by digit.",
                    "Two panels: grey noise on the left, a round cloud of coloured points on the right.",
                ),
            ),
            text(f"As [Figure](#fig-latent) shows, the cloud is round. {PROSE}\n\n{PROSE}"),
            text("# Code of the figures\n\nThe functions below draw the figures.", "appendix"),
            cell(
                "show_source(curve, …)",
                lambda: display.show_source(
                    curve, "lst-curve", "The function that draws [Figure](#fig-loss)."
                ),
                tags=["appendix"],
            ),
        ],
        level=1,
        title="Variational autoencoders, measured",
        subtitle="A course report that can be run, changed and checked",
    )


def latent():
    """A notebook one part deeper, with computed prose and printed output."""
    printed = new_output("stream", name="stdout", text="\x1b[31mepochs\x1b[0m 30 → done ✓\n")
    return notebook(
        [
            text(f"# Latent dimension 1\n\nOne dimension is a line. {PROSE}"),
            cell(
                "show_text(…)",
                lambda: display.show_text(
                    "The loss rises by **17.0** nats, see [loss](00_baseline.ipynb#training) and [bound](00_baseline.ipynb#The-bound)."
                ),
            ),
            cell(
                "show_figure(…)",
                lambda: display.show_figure(
                    curve(4, 3), "fig-line", "Loss of the 1-D model.", "A falling curve."
                ),
            ),
            new_code_cell('print("epochs 30")', outputs=[printed], execution_count=3),
            text(
                f"## What is lost\n\n{PROSE} In [Figure](#fig-line) and [Figure](00_baseline.ipynb#fig-loss) the curves differ [Burda et al.](#cite-burda2016) [](#cite-kingma2014)."
            ),
        ],
        level=3,
        part={"title": "The latent dimension", "level": 2, "text": "Two notebooks vary it."},
    )


def formulas():
    """A notebook of formulas: the regression sheet."""
    inline = r"Inline: $\mu_j^2$, $q_\phi(z \mid x)$, $\log \sigma^2$, $\mathcal{N}(0, I)$, $\hat{x}$, $\frac{1}{2}$, $10^{-3}$, $|x|$, $\mathbf{z}$, $f(x)$(not a call), $x$."
    return notebook(
        [text("# Formulas\n\n" + inline + "\n\n" + "\n\n".join(FORMULAS)), cell("x = 1")], level=1
    )


def claims():
    """A notebook with a long, wide table and an appendix of its own."""
    header = ["id", "claim", "published", "ours", "95 % interval", "unit", "verdict", "section"]
    claim = "the decoded manifold changes *smoothly*: near points decode to similar digits"
    rows = [
        [
            f"C{i}",
            claim,
            "151.50",
            "148.09 ± 0.4",
            "[147.7, 148.5]",
            "nats",
            "not decidable from one run",
            "[s](02_latent_1d.ipynb#what-is-lost)",
        ]
        for i in range(1, 25)
    ]
    return notebook(
        [
            text(f"# Claims\n\n[Table](#tbl-claims) lists them. {PROSE}"),
            cell(
                "show_table(…)",
                lambda: display.show_table(
                    header,
                    rows,
                    "tbl-claims",
                    "All claims, with the published value, ours, and the verdict.",
                    "llrrrlll",
                ),
            ),
            text("# Environment\n\n## Versions\n\nKeras 3.", "appendix"),
            cell("secret = 1", tags=["remove-cell"]),
            cell("hidden = 2", tags=["remove-input"]),
        ],
        level=1,
    )


PROSE = (
    "The encoder maps an image to a mean and a variance, the decoder maps a point of the latent space back to an "
    "image, and training balances two wishes: that the image comes back as it was, and that the codes of all images "
    "together look like the prior. What the first wish costs is called distortion, what the second costs is called "
    "rate, and their sum bounds the code length of an image from above."
)


def sample() -> dict:
    """The four notebooks by name."""
    return {"00_baseline": baseline(), "02_latent_1d": latent(), "04_loss": formulas(), "08_claims": claims()}


def write(folder: Path, notebooks: dict | None = None) -> Path:
    """The notebooks as files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (notebooks or sample()).items():
        nbformat.write(content, str(folder / f"{name}.ipynb"))
    return folder
