"""A report in a real browser, from a file; skipped where there is no Chromium with its driver."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from PIL import Image
from report.examples import FINDING, contents, mixed, renamed, trial
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.formats import render
from autoencoder_hpo.report.gallery import Gallery, Strip, crop_uri

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no Chromium with its driver is installed"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    options = Options()
    options.binary_location = str(CHROMIUM)
    for word in ("--headless=new", "--window-size=1300,1000", "--disable-dev-shm-usage"):
        options.add_argument(word)
    if os.getuid() == 0:  # Chromium's own sandbox does not run as root
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


def whole() -> Contents:
    """A study with every figure."""
    some = [
        trial(
            number,
            17.0 + number / 10,
            epochs=12,
            params={
                "model": ["mlp", "unet"][number % 2],
                "optimizer.adam.learning_rate": 0.0001 * (number + 1),
            },
            worker=f"here:{number % 3}",
        )
        for number in range(24)
    ]
    pruned = trial(24, 15.0, state=TrialState.PRUNED, epochs=2, reason="unpromising")
    crops = [_picture(shade) for shade in range(0, 240, 40)]
    strips = [Strip(title, "20.00 dB", crops) for title in ("clean", "noisy", "trial 23")]
    given = contents([*some, pruned], findings=[FINDING])
    return replace(given, gallery=Gallery(strips, _picture(9, side=600)))


def _picture(shade: int, side: int = 8) -> str:
    return crop_uri(Image.new("L", (side, side), shade))


def open_page(browser: WebDriver, folder: Path, page: str, *, scripts: bool = True) -> None:
    path = folder / "page.html"
    path.write_text(page)
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
    browser.get(path.as_uri())


def drawn(browser: WebDriver) -> int:
    """How many figures have content, once all were drawn."""
    ready = "return document.documentElement.dataset.plots !== undefined"
    WebDriverWait(browser, 60).until(lambda b: b.execute_script(ready))
    return int(browser.execute_script("return document.querySelectorAll('.plot .main-svg .trace, "
                                      ".plot .main-svg .bars').length"))  # fmt: skip


def complaints(browser: WebDriver) -> list[Any]:
    return list(browser.get_log("browser"))


def asked(browser: WebDriver) -> set[str]:
    """What the page asked for, by scheme."""
    messages = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
    sent = [each for each in messages if each["method"] == "Network.requestWillBeSent"]
    return {each["params"]["request"]["url"].partition(":")[0] for each in sent}


def resize(browser: WebDriver, width: int, **media: Any) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", **media})


def overflow(browser: WebDriver) -> int:
    script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(browser.execute_script(script))


def test_it_draws_every_figure_and_asks_for_nothing(browser: WebDriver, tmp_path: Path) -> None:
    resize(browser, 1300)
    open_page(browser, tmp_path, render([whole()], "html"))
    assert drawn(browser) >= 10
    boxes = browser.find_elements(By.CSS_SELECTOR, ".plot")
    assert len(boxes) == 9
    assert all(box.find_elements(By.CSS_SELECTOR, ".main-svg") for box in boxes)
    pictures = browser.execute_script("return [...document.images].map(i => i.naturalWidth)")
    assert pictures == [8] * 18 + [600]
    assert complaints(browser) == []
    assert asked(browser) <= {"file", "data", "blob"}
    assert overflow(browser) == 0


@pytest.mark.parametrize("width", [380, 700])
def test_a_narrow_window_needs_no_sideways_scrolling(
    browser: WebDriver, tmp_path: Path, width: int
) -> None:
    resize(browser, width)
    for given in ([whole()], [mixed(), renamed(whole(), "a-study-with-a-rather-long-name")]):
        open_page(browser, tmp_path, render(given, "html"))
        drawn(browser)
        assert overflow(browser) == 0
        widths = browser.execute_script(
            "return [...document.querySelectorAll('.plot')].map(p => [p.clientWidth, "
            "p.querySelector('.main-svg').getBoundingClientRect().width])"
        )
        assert all(abs(box - svg) <= 1 for box, svg in widths), widths
        assert complaints(browser) == []


@pytest.mark.parametrize("width", [380, 1300])
def test_on_paper_no_figure_is_cut(browser: WebDriver, tmp_path: Path, width: int) -> None:
    resize(browser, width)
    open_page(browser, tmp_path, render([whole()], "html"))
    drawn(browser)
    paper_px = (210 - 2 * 14) / 25.4 * 96  # A4, and the margins of the page
    columns = {"figure-history": 1, "figure-curves": 2, "figure-slice-0": 3}
    script = (
        "return [...document.querySelectorAll('.plot')].map(p => [p.id, "
        "p.querySelector('.main-svg').getBoundingClientRect().width])"
    )
    before = browser.execute_script(script)
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    printed = dict(browser.execute_script(script))
    assert all(printed[name] <= paper_px / number for name, number in columns.items()), printed
    assert min(printed.values()) > paper_px / 4
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script(script) == before


def test_figures_take_the_colors_of_the_page(browser: WebDriver, tmp_path: Path) -> None:
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    resize(browser, 1300, **scheme)
    open_page(browser, tmp_path, render([mixed()], "html"))
    drawn(browser)
    fill = "return getComputedStyle(document.querySelector('#figure-history .xtick text')).fill"
    body = "return getComputedStyle(document.body).color"
    light = browser.execute_script(fill)
    assert light == browser.execute_script(body)
    resize(browser, 1300)
    WebDriverWait(browser, 20).until(lambda b: b.execute_script(fill) != light)
    assert browser.execute_script(fill) == browser.execute_script(body)


def test_without_scripts_everything_but_the_figures_is_there(
    browser: WebDriver, tmp_path: Path
) -> None:
    resize(browser, 1300)
    open_page(browser, tmp_path, render([mixed()], "html"), scripts=False)
    text = browser.find_element(By.TAG_NAME, "body").text
    for said in ("The best denoiser of tiny", "trial 4", "edge-of-range", "draws no figures"):
        assert said in text
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_what_a_study_brings_does_not_run(browser: WebDriver, tmp_path: Path) -> None:
    """Even if it were not escaped: of scripts only ours are allowed, by their hashes."""
    resize(browser, 1300)
    evil = "<script>document.title = 'it ran'</script>"
    page = render([mixed()], "html").replace("<main>", f"<main>{evil}", 1)
    open_page(browser, tmp_path, page)
    drawn(browser)
    assert browser.title == "tiny: report"
    assert any("Content Security Policy" in line["message"] for line in complaints(browser))
