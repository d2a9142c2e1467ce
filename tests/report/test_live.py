"""Live figures: what runs in the page is the Keras model, by keyboard, mouse and touch."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import sample_report as sample
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from PIL import Image

from helpers import data
from helpers.metrics import holes, inpainting
from helpers.metrics.latent import prior_quantiles
from helpers.models import VAE
from helpers.report import live
from helpers.report.exporters import ReportHTMLExporter

SCRIPTS = Path(__file__).parent / "live"
NODE = shutil.which("node")
TOLERANCE = 1e-4
ROUNDED = 6e-4  # of networks: weights are kept to 1/65534 of a layer's largest
WARM, STEPS = 4, 24  # of the chains of fillings: first steps of pseudo-Gibbs, further steps


def random_vae(architecture, latent_dim, gain=2.0):
    """An untrained model with biases and `gain` times the usual kernels, so that inputs matter."""
    model, rng = VAE(architecture, latent_dim, seed=3), np.random.default_rng(3)
    for part in (model.encoder, model.decoder):
        old = part.get_weights()
        part.set_weights([gain * w if w.ndim > 1 else rng.normal(0, 0.3, w.shape) for w in old])
    return model


def odd_model():
    """Layers that the report's models do not have: other kernels, strides and padding, no bias."""
    layers = keras.layers
    image, z = keras.Input((9, 8, 2)), keras.Input((3,))
    x = layers.Conv2D(3, (5, 2), strides=(2, 1), padding="valid", activation="sigmoid")(image)
    x = layers.Conv2D(5, (2, 4), strides=3, padding="same", use_bias=False)(x)
    y = layers.Reshape((2, 3, 1))(layers.Dense(6, activation="relu")(z))
    y = layers.Conv2DTranspose(5, (2, 3), strides=(3, 2), padding="valid")(y)
    y = layers.Conv2DTranspose(2, (4, 5), strides=(1, 2), padding="same", use_bias=False)(y)
    encoder, decoder = keras.Model(image, layers.Flatten()(x)), keras.Model(z, y)
    rng = np.random.default_rng(1)
    for weight in encoder.weights + decoder.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return SimpleNamespace(encoder=encoder, decoder=decoder)


def pack(model):
    """Both parts as the engine takes them."""
    return {part: live.pack(getattr(model, part)) for part in ("encoder", "decoder")}


MODELS = {
    "convolutional": lambda: random_vae("convolutional", 2),
    "deeper": lambda: random_vae("deeper", 2),
    "dense": lambda: random_vae("dense", 10),
    "odd": odd_model,
}


def outputs(network, x):
    """What Keras says: a row per input, several outputs side by side."""
    values = network(x)
    rows = values if isinstance(values, list | tuple) else [values]
    arrays = [keras.ops.convert_to_numpy(part).reshape(len(x), -1) for part in rows]
    return np.concatenate(arrays, axis=1)


@pytest.fixture(scope="module")
def cases():
    """Packed models, random inputs of both parts, and Keras's outputs."""
    rng, made = np.random.default_rng(0), {}
    for name, build in MODELS.items():
        model = build()
        made[name] = {"packed": pack(model)}
        for part in ("encoder", "decoder"):
            network = getattr(model, part)
            draw = rng.random if part == "encoder" else rng.standard_normal
            x = draw((4, *network.inputs[0].shape[1:])).astype("float32")
            made[name][part] = {"x": x.reshape(4, -1).tolist(), "expected": outputs(network, x)}
    return made


def noise(exact):
    """What `inpainting` draws from a generator with seed 5: for z, and to accept with."""
    rng, normal, uniform = np.random.default_rng(5), [], []
    for step in range(1 + WARM + STEPS):
        normal += rng.standard_normal(2).tolist()
        if exact and step > WARM:
            uniform += np.exp(-rng.standard_exponential(1)).tolist()
    return {"normal": normal, "uniform": uniform}


@pytest.fixture(scope="module")
def gibbs():
    """A model, a digit with a hole, and the noise of the chains' steps."""
    model, mask = random_vae("dense", 2, gain=1.0), holes.square_mask()
    digit = np.random.default_rng(6).random((1, 28, 28, 1)).astype("float32")
    draws = {"metropolis": noise(exact=True), "pseudo-gibbs": noise(exact=False)}
    given = {"packed": pack(model), "digit": digit.ravel().tolist()}
    given |= {"hole": mask.ravel().astype(int).tolist()}
    given |= {"noise": draws, "warm_up": WARM, "steps": STEPS}
    hidden = holes.hide(digit, mask)
    return SimpleNamespace(model=model, hidden=hidden, mask=mask, given=given)


STYLE = (live.FOLDER / "figures.css").read_text("utf-8")
ENGINE, ACT = ((SCRIPTS / name).read_text("utf-8") for name in ("engine.js", "act.js"))
STORED = 'document.querySelector("#results")?.textContent'
STORE = 'document.querySelector("#results").textContent = JSON.stringify(results);'


def page(body, script, policy=None):
    """A page under the report's policy, which allows one script (or that whose text is given)."""
    allowed = base64.b64encode(hashlib.sha256((policy or script).encode()).digest()).decode()
    csp = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; "
    csp += f"script-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    head = f'<meta http-equiv="Content-Security-Policy" content="{csp}">'
    head += f'<meta charset="utf-8"><title>Test</title><style>{STYLE}</style>'
    body += f'<pre id="results"></pre><script type="module">{script}</script>'
    return f'<!DOCTYPE html><html lang="en"><head>{head}</head><body>{body}</body></html>'


@pytest.fixture(scope="module")
def browser(chromium, tmp_path_factory):
    """A browser that opens the text of a page and answers an expression in it."""

    def ask(text, expression):
        file = tmp_path_factory.mktemp("page") / "page.html"
        file.write_text(text, encoding="utf-8")
        return chromium.ask(file.as_uri(), expression)

    return ask


def script_with(code, given, end):
    """The page's script and a test's own, whose names stay apart."""
    return f"{live.script()}{{\nconst given = {json.dumps(given)};\n{code}\n{end}\n}}\n"


def run_in_page(ask, code, given):
    return json.loads(ask(page("", script_with(code, given, STORE)), STORED))


def run_in_node(folder, code, given):
    for name in live.SCRIPTS:
        shutil.copy(live.FOLDER / name, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    imports = 'import { load, network } from "./engine.js";\nimport { chain } from "./board.js";\nimport { centred } from "./plane.js";'
    end = "console.log(JSON.stringify(results));"
    script = f"{imports}\nconst given = {json.dumps(given)};\n{code}\n{end}\n"
    (folder / "test.js").write_text(script, encoding="utf-8")
    command = [NODE, "test.js"]
    return json.loads(subprocess.check_output(command, cwd=folder, text=True, timeout=300))


def _inputs(case):
    """A case without the answers."""
    inputs = {part: {"x": case[part]["x"]} for part in ("encoder", "decoder")}
    return {"packed": case["packed"]} | inputs


@pytest.fixture(scope="module", params=["Chromium", "Node.js"])
def computed(request, cases, gibbs, tmp_path_factory):
    """What the engine says to the same inputs, in a browser and in Node.js."""
    given = {"cases": {name: _inputs(case) for name, case in cases.items()}, "gibbs": gibbs.given}
    if request.param == "Chromium":
        return run_in_page(request.getfixturevalue("browser"), ENGINE, given)
    if NODE is None:
        pytest.skip("no Node.js on this machine: the engine is not run there")
    return run_in_node(tmp_path_factory.mktemp("engine"), ENGINE, given)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
@pytest.mark.parametrize("name", MODELS)
def test_the_engine_equals_keras(computed, cases, name, part):
    expected = cases[name][part]["expected"]
    np.testing.assert_allclose(computed[name][part], expected, rtol=0, atol=ROUNDED)
    assert np.ptp(expected, axis=0).max() > 100 * ROUNDED  # inputs matter


def test_one_wrong_weight_shows(computed, cases):
    model = random_vae("convolutional", 2)
    *others, kernel, bias = model.decoder.get_weights()
    kernel[1, 1, 0, 5] += 0.05
    model.decoder.set_weights([*others, kernel, bias])
    z = np.array(cases["convolutional"]["decoder"]["x"], "float32")
    found = computed["convolutional"]["decoder"]
    assert np.abs(found - outputs(model.decoder, z)).max() > 2 * ROUNDED


def test_thirty_digits_a_second(computed):
    assert computed["seconds"] < 1 / 30


def test_the_metropolis_chain_is_that_of_helpers_inpainting(computed, gibbs):
    found = computed["metropolis"]
    task = (gibbs.model, gibbs.hidden, gibbs.mask, STEPS)
    latest, share = inpainting.metropolis_gibbs(*task, seed=5, warm_up=WARM)
    mean, _ = inpainting.metropolis_gibbs(*task, seed=5, warm_up=WARM, average=STEPS)
    assert 0 < share[0] < 1  # a chain that takes all, or none, would not tell
    assert found["share"] == pytest.approx(share[0])
    np.testing.assert_allclose(found["filled"], latest.ravel(), rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found["mean"], mean.ravel(), rtol=0, atol=TOLERANCE)
    other = computed["pseudo-gibbs"]["filled"]
    assert np.abs(np.subtract(found["filled"], other)).max() > 100 * TOLERANCE


def test_the_pseudo_gibbs_chain_is_that_of_helpers_inpainting(computed, gibbs):
    found = computed["pseudo-gibbs"]
    every = 1 + WARM + STEPS
    first, latest, mean = (
        inpainting.pseudo_gibbs(gibbs.model, gibbs.hidden, gibbs.mask, steps, 5, average=average)
        for steps, average in ((1, 1), (every, 1), (every, STEPS))
    )
    for name, expected in (("first", first), ("filled", latest), ("mean", mean)):
        options = {"rtol": 0, "atol": TOLERANCE, "err_msg": name}
        np.testing.assert_allclose(found[name], expected.ravel(), **options)
    assert np.abs(first - latest).max() > 100 * TOLERANCE


def test_the_engine_refuses_what_does_not_fit(computed):
    assert computed["refused"][0] == "1 values for a network that takes 2"
    assert computed["refused"][1].startswith("5 weights for layers that have ")


KL = [2.0, 0.001, 1.0]
LABELS = np.array([4, 9, 4])
VOTES = np.array([4, 9, 9])
MEANS = np.array([[1.0, 2.0], [-1.5, 0.5], [-2.0, -2.5]])
DIGITS = np.random.default_rng(8).integers(0, 16, (3, 28, 28, 1)) / 15  # as a sheet keeps them

STATIC = Figure(figsize=(1, 1))
RUNS = [
    {"name": "plain, seed 0", "rate": [1.0, 2.0, 4.0], "distortion": [9.0, 8.0, 7.0],
     "active": [3, 2, 1], "used": 1},
    {"name": "fast, seed 0", "rate": [8.0], "distortion": [5.04], "active": [], "used": 2},
    {"name": "fast, seed 1", "rate": [6.0], "distortion": [5.0], "active": [], "used": None},
]  # fmt: skip
MARKS = {"confirmed": "+", "refuted": "-"}
CLAIMS = [
    {"id": "C1", "words": "One", "found": [["confirmed", "(p1)"], ["confirmed", "(f1)"]],
     "without": [["confirmed"] * 2, ["confirmed", "refuted"]]},
    {"id": "C2", "words": "Two", "found": [["confirmed", "(p2)"], ["refuted", "(f2)"]],
     "without": [["confirmed"] * 2, ["refuted", "confirmed"]]},
]  # fmt: skip
GARMENTS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker")


SHOWN = [("convolutional", 2), ("dense", 1), ("dense", 3)]


def moving(cell):
    """The same cell with a caption for the page that moves."""
    cell.source = f"#| live-cap: Moves.\n{cell.source}"
    return cell


@pytest.fixture(scope="module")
def figures():
    """Three models and the contents of the figures, on a narrow page."""
    plane, line, three = (random_vae(*made) for made in SHOWN)
    images = np.random.default_rng(2).random((2, 28, 28, 1)).astype("float32")
    mask, garments = holes.square_mask(), {"names": GARMENTS, "item": "garment"}
    made = [
        live.plane(plane, MEANS, LABELS, DIGITS, static=STATIC),
        live.slider(line, prior_quantiles(11), samples=5, static=STATIC),
        live.sliders(three, KL, [nats > 0.01 for nats in KL], static=STATIC),
        live.board(plane, images, [3, 7], mask, steps=6, warm_up=2, static=STATIC, **garments),
        live.confusion(MEANS, LABELS, VOTES, DIGITS, static=STATIC),
        live.courses(RUNS, 3, static=STATIC),
        live.verdicts(CLAIMS, [0, 7], ["published", "fast"], MARKS, static=STATIC),
    ]
    assert all(figure.static is STATIC for figure in made)
    made = [figure.content for figure in made]
    cells = [
        moving(sample.figure(STATIC, f"fig-{letter}", "Stands.", "B.", live=content))
        for letter, content in zip("abcdefg", made, strict=True)
    ]
    report, _ = ReportHTMLExporter().from_notebook_node(sample.notebook(cells, title="T"))
    soup = BeautifulSoup(report, "html.parser")
    body = "".join(map(str, soup.select("figure, .live.hero, script[data-part]")))
    return SimpleNamespace(plane=plane, line=line, three=three, images=images, made=made, body=body)


@pytest.fixture(scope="module")
def acted(figures, browser):
    """What the page says after somebody has used every figure."""
    end = f"act().catch(error => {{ results.error = error.stack; }}).finally(() => {{ {STORE} }});"
    script = script_with(ACT, {"extent": figures.made[0]["data"]["extent"]}, end)
    body = f'<main style="width: 350px; font: 16px sans-serif">{figures.body}</main>'
    found = json.loads(browser(page(body, script), STORED))
    assert "error" not in found, found["error"]
    return found


def assert_shown(pixels, image):
    """Pixels show this image, dark on white, but for rounding to 8 bits (on the board, twice)."""
    np.testing.assert_allclose(pixels, 255 - 255 * image.ravel(), rtol=0, atol=1.01)


def test_every_figure_comes_to_life_in_place_of_its_picture(acted):
    assert acted["ready"] == [True] * 8
    assert acted["static"] == [None] + [False] * 7


def test_a_live_figure_has_its_own_caption_and_says_what_moves(acted):
    captions = [words and words.removeprefix("Figure ") for words in acted["captions"]]
    assert captions == [None, *(f"{n} Moves." for n in range(1, 8))]
    assert acted["invitations"] == [0] + [1] * 7


def test_a_page_asks_for_nothing_and_keeps_the_policy(acted):
    assert (acted["requests"], acted["violations"]) == (0, 0)


def test_figures_fit_a_narrow_page(acted):
    assert max(acted["wide"]) <= 0


def test_what_can_be_used_has_a_name_and_takes_the_focus(acted):
    assert acted["nameless"] == 0
    assert acted["focusable"] == [4, 11, 1, 5, 12, 1, 1, 7]


def test_the_plane_decodes_where_keys_and_mouse_point(acted, figures):
    for name, z in (("start", (0, 0)), ("keys", (0.05, 0.1)), ("mouse", (-1.5, 0.5))):
        assert_shown(acted["pixels"][name], figures.plane.decode(np.array([z], "float32")))
    assert acted["texts"]["keys"].startswith("Pinned at z = (0.05, 0.10)")
    assert acted["texts"]["mouse"] == "z = (−1.50, 0.50)Nearest of 3 test digits: 9, 4, 4"
    assert (acted["taken"], acted["left"]) == ([True] * 3, [False])
    assert acted["chosen"] == [True, "4"]


def test_the_ring_is_pinned_dragged_and_released(acted):
    assert acted["places"] == {
        "a pinned ring stays": "Pinned at z = (0.05, 0.10)",
        "a click pins": "Pinned at z = (1.00, 1.00)",
        "a drag moves": "Pinned at z = (−1.00, −1.00)",
        "a swipe does not": "Pinned at z = (−1.00, −1.00)",
        "a click on the ring releases": "z = (−1.00, −1.00)",
    }


def test_the_nearest_images_are_shown(acted):
    for pixels, place in zip(acted["likes"], (1, 0, 2), strict=True):
        np.testing.assert_array_equal(pixels, np.round(255 - 255 * DIGITS[place].ravel()))


def test_a_drawn_digit_is_encoded_and_decoded(acted, figures, tmp_path):
    assert acted["example"] and acted["moved"][0] and acted["typed"] > 100
    ink = np.reshape(acted["ink"], (196, 196)).astype("uint8")
    Image.fromarray(ink).save(tmp_path / "drawn.png")
    code = figures.plane.encode(data.read_picture(tmp_path / "drawn.png")[np.newaxis])[0]
    code = np.clip(code, -3, 3)  # the plane's edges
    shown = np.reshape(acted["pixels"]["drawn"], (1, 28, 28, 1))
    expected = 255 - 255 * np.asarray(figures.plane.decode(code))
    assert np.abs(shown - expected).max() < 6
    other = 255 - 255 * np.asarray(figures.plane.decode(0 * code))
    assert np.abs(shown - other).max() > 12


def test_a_cell_of_the_matrix_lights_up_its_images(acted):
    mixed, right, beside = acted["cells"]
    assert mixed == [
        "1 of class 4 taken for 9",
        "1 of 2 digits of class 4 (50.0 %) are taken for 9", 1,
    ]  # fmt: skip
    assert right[1:] == ["1 of 2 digits of class 4 (50.0 %) are classified correctly", 1]
    assert beside == ["0 of class 5 taken for 5", "0 of 0 digits of class 5 (0.0 %) are classified correctly", 0]
    np.testing.assert_array_equal(acted["images"][0], np.round(255 - 255 * DIGITS[2].ravel()))
    assert acted["lit"]


def test_the_slider_decodes_a_quantile(acted, figures):
    z = prior_quantiles(11)[9:10, np.newaxis].astype("float32")
    assert_shown(acted["pixels"]["slid"], figures.line.decode(z))
    assert acted["texts"]["slid"] == acted["value"] == "z = 1.10; 86.4 % of the prior lie below"


def test_sliders_decode_sample_and_return(acted, figures):
    expected = {"one of three": [0, 1.5, 0], "sample": acted["sample"], "reset": [0, 0, 0]}
    for name, z in expected.items():
        assert_shown(acted["pixels"][name], figures.three.decode(np.array([z], "float32")))
    assert len(set(acted["sample"])) == 3
    assert acted["reset"] == [0, 0, 0]
    assert acted["groups"][::3] == ["Active: 2 of 3", "Not in use: 1 of 3"]
    assert [row[:2] for row in acted["marks"]] == ["z1", "z3", "z2"]  # in order of KL
    assert "2.00 nats" in acted["marks"][0] and "active" not in "".join(acted["marks"])


def test_what_is_shown_goes_by_its_own_names(acted):
    assert acted["pictures"] == ["1: Dress", "2: Sneaker"]


def test_the_board_is_painted(acted, figures):
    assert acted["hidden"] == ["100", "0", "40", "56", "40"]
    stroke = np.zeros((28, 28), bool)
    stroke[12:16, 12:22] = True
    shown = np.reshape(acted["pixels"]["painted"], (28, 28))
    digit = figures.images[0].reshape(28, 28)
    assert (shown[stroke] == 255).all()  # the red part of the hole's colour
    assert_shown(shown[~stroke], digit[~stroke])


def test_the_chain_fills_the_hole_and_keeps_the_rest(acted, figures):
    assert acted["texts"]["chain"] == "Metropolis-within-Gibbs, step 6"
    hole, digit = holes.square_mask(), figures.images[0].reshape(28, 28)
    shown = np.reshape(acted["pixels"]["chain"], (28, 28))
    assert_shown(shown[~hole], digit[~hole])
    assert np.abs(shown - (255 - 255 * digit))[hole].max() > 50


def test_the_board_has_the_true_picture_and_says_which_filling_is_nearer(acted, figures):
    assert_shown(acted["pixels"]["truth"], figures.images[0])
    once, chained = (float(text.removeprefix("error ")) for text in acted["errors"])
    best, other = ("filling once", "the mean of the chain")[:: 1 if once < chained else -1]
    least, most = sorted((once, chained))
    words = f"Nearer to the true garment here: {best}, with an error of {least:.3f}; {other} has"
    assert acted["texts"]["truth"] == f"{words} {most:.3f}. One hole decides nothing."


def test_a_slider_goes_through_the_epochs_of_stored_runs(acted):
    first, last = acted["epochs"]
    assert first == [
        ["run", "", "rate", "distortion", "in use"],
        ["plain, seed 0", "", "1.0", "9.0", "3 of 3"],
        ["fast, seed 0, 1 epochs", "", "8.0", "5.0", "2 of 3"],
        ["fast, seed 1, 1 epochs", "", "6.0", "5.0", "–"],
    ]
    assert last[1:3] == [["plain, seed 0", "", "4.0", "7.0", "1 of 3"], first[2]]
    assert acted["bars"] == ["0.5", "1", "0.75"]
    assert acted["epoch"] == "epoch 3 of 3"


def test_a_switch_moves_claims_to_their_verdicts(acted):
    assert acted["verdicts"][0] == ["+ confirmed: 2C1C2", "- refuted: 0"]
    assert acted["verdicts"][1] == ["+ confirmed: 1C1", "- refuted: 1C2"]
    assert acted["change"] == "1 of 2 verdicts change."
    assert acted["why"] == (
        "C2: Two. published: confirmed; fast: refuted (all seeds). By all seeds, fast: (f2)"
    )
    assert acted["pressed"] == ["fast", "all seeds", "C2"]


def test_a_seed_that_is_left_out_moves_claims(acted):
    columns, change, why = acted["without"]
    assert columns == ["+ confirmed: 1C2", "- refuted: 1C1"]
    assert change == "2 of 2 verdicts change."
    assert "fast: confirmed (without seed 7). By all seeds, fast: (f2)" in why


def test_without_its_script_the_page_shows_the_pictures(figures, browser):
    text = page(figures.body, f"{live.script()}document.title = 'Run';", policy="another script")
    shown = "[...document.querySelectorAll('.live-static')].map(each => each.checkVisibility())"
    loaded = "document.readyState === 'complete' && document.title"
    bodies = "document.querySelectorAll('.live-body').length"
    answer = browser(text, f"{loaded} && [document.title, {shown}, {bodies}]")
    assert answer == ["Test", [True] * 7, 0]


def test_a_part_stands_once_in_a_page(figures):
    names = [set(content["parts"]) for content in figures.made]
    assert len(names[0] & names[3]) == 2  # the plane and the board have the same networks
    assert len(names[0] & names[4]) == 1  # the plane and the matrix have the same points
    assert figures.body.count("data-part=") == len(set.union(*names)) == 7


def test_the_script_imports_nothing():
    assert not re.search(r"^\s*(import|export)\b|\beval\b|https?:", live.script(), re.M)


def test_points_keep_four_digits(figures):
    made = figures.made[0]
    points = made["parts"][made["data"]["points"]]
    found = np.frombuffer(base64.b64decode(points["means"]), "<i2").reshape(-1, 2) * points["scale"]
    np.testing.assert_allclose(found, MEANS, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: plane_of(f.line, LABELS), "dimensions of the plane=1 is not one of 2"),
        (lambda f: plane_of(f.plane, LABELS[:2]), r"is not one of \(2, 2\)"),
        (lambda f: plane_of(f.plane, LABELS, names=GARMENTS), "labels up to 9, but 8 names"),
        (lambda f: live.slider(f.plane, prior_quantiles(3), static=STATIC), "slider=2 is not"),
        (lambda f: live.sliders(f.three, KL, [True], static=STATIC), r"active=\(3, 1\) is not"),
        (lambda f: board_of(f.plane, f.images, [1]), "shapes of images and mask"),
        (lambda _: pack(chain_of("Conv2D", 2, 3, dilation_rate=2)), "dilation_rate"),
        (lambda _: pack(chain_of("Conv2D", 2, 3, activation="tanh")), "'tanh' is not one of"),
        (lambda _: pack(chain_of("Dense", 2)), "axes of the input"),
        (lambda _: pack(chain_of("MaxPooling2D")), "'MaxPooling2D' is not one of 'Dense'"),
        (lambda f: pack(branched()), "does not follow"),
    ],
)
def test_what_cannot_be_shown_is_refused(figures, make, message):
    with pytest.raises(ValueError, match=message):
        make(figures)


def other_activation():
    model = random_vae("dense", 2)
    model.decoder.layers[1].activation = keras.activations.tanh
    return model


@pytest.mark.parametrize(
    "make",
    [
        lambda f: plane_of(other_activation(), LABELS),
        lambda f: live.courses([], 3, static=STATIC),
        lambda f: board_of(other_layer(), f.images, [1, 2]),
        lambda f: board_of(other_loss(), f.images, [1, 2]),
    ],
)
def test_what_the_page_cannot_run_or_is_not_stored_is_shown_as_a_picture(figures, make):
    assert make(figures) == live.LiveFigure(None, STATIC)


def other_layer():
    return SimpleNamespace(**vars(chain_of("MaxPooling2D")), pixel_loss=SimpleNamespace(key="bce"))


def plane_of(model, labels, **options):
    return live.plane(model, MEANS, labels, DIGITS, static=STATIC, **options)


def board_of(model, images, labels):
    return live.board(model, images, labels, holes.square_mask(), static=STATIC)


def other_loss():
    return SimpleNamespace(pixel_loss=SimpleNamespace(key="other"))


def chain_of(layer, *arguments, **options):
    """A model whose encoder and decoder are one layer."""
    image = keras.Input((8, 8, 2))
    network = keras.Model(image, getattr(keras.layers, layer)(*arguments, **options)(image))
    return SimpleNamespace(encoder=network, decoder=network)


def branched():
    """A model in which a layer takes the output of the layer before the one before it."""
    x = keras.Input((4,))
    first = keras.layers.Dense(4)(x)
    second, third = keras.layers.Dense(2)(first), keras.layers.Dense(3)(first)
    network = keras.Model(x, [third, keras.layers.Dense(3)(second)])
    return SimpleNamespace(encoder=network, decoder=network)
