"""The dashboard in a real browser; skipped where there is no Chromium with its driver.

`SCREENSHOTS=docs/images python -m pytest -n 0 tests/integration/test_browser.py` renews the
pictures of the README, with a study of Fashion-MNIST.
"""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait
from support import Cli

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
SCREENSHOTS = os.environ.get("SCREENSHOTS")
WIDTH = 1000  # of a screenshot that is kept

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no Chromium with its driver is installed"
)

SMALL: dict[str, Any] = {"name": "digits", "search": {"trials": 3}}
SHOWN: dict[str, Any] = {
    "name": "fashion-mnist",
    "task": {"data": {"dataset": "fashion_mnist", "train": 5000, "validation": 1000}, "epochs": 6},
    "search": {
        "trials": 14,
        "sampler": "tpe",
        "pruner": {"kind": "median", "startup_trials": 2, "warmup_epochs": 1},
    },
    "trial": {
        "model": {
            "choice": [
                {"kind": "mlp", "depth": {"int": [1, 2]}, "width": {"int": [64, 512]}},
                {"kind": "unet", "depth": 1, "channels": {"int": [6, 14]}},
            ]
        }
    },
}


@pytest.fixture
def browser() -> Iterator[WebDriver]:
    options = Options()
    options.binary_location = str(CHROMIUM)
    for word in ("--headless=new", "--window-size=1400,1100", "--disable-dev-shm-usage"):
        options.add_argument(word)
    if os.getuid() == 0:  # Chromium's own sandbox does not run as root
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def site(cli: Cli) -> Iterator[str]:
    """The address of a dashboard with a finished study; its password is `secret`."""
    study = SHOWN if SCREENSHOTS else SMALL
    cli("create", cli.write(**study))
    cli.work(study["name"], 1)
    process = cli.start("dashboard", "--port", "0", AUTOENCODER_HPO_DASHBOARD_PASSWORD="secret")
    assert process.stdout is not None
    found = re.search(r"http://[\d.:]+", process.stdout.readline())
    assert found
    yield found[0]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def keep(browser: WebDriver, name: str, folder: Path) -> None:
    path = folder / f"{name}.png"
    browser.save_screenshot(str(path))
    with Image.open(path) as shot:
        assert len(shot.convert("RGB").getcolors(2**24) or []) > 20, "an empty page"
        small = shot.convert("RGB").resize((WIDTH, WIDTH * shot.height // shot.width))
    small.quantize(128).save(path, optimize=True)


def loaded(browser: WebDriver, part: str) -> int:
    """How many pictures with this in their address the page shows."""
    script = "return [...document.images].filter(i => i.naturalWidth > 0).map(i => i.src)"
    return sum(part in address for address in browser.execute_script(script))


def wait(browser: WebDriver) -> WebDriverWait[WebDriver]:
    """A page that is replaced while it is read is read again."""
    stale = (NoSuchElementException, StaleElementReferenceException)
    return WebDriverWait(browser, 30, ignored_exceptions=stale)


def test_a_person_logs_in_and_looks(browser: WebDriver, site: str, tmp_path: Path) -> None:
    folder = Path(SCREENSHOTS) if SCREENSHOTS else tmp_path
    browser.get(f"{site}/login")
    browser.find_element(By.ID, "password").send_keys("wrong")
    browser.find_element(By.TAG_NAME, "button").click()
    wait(browser).until(lambda b: "Wrong password." in b.page_source)
    browser.get_log("browser")  # the 401 that it complains of is the answer

    browser.find_element(By.ID, "password").send_keys("secret")
    browser.find_element(By.TAG_NAME, "button").click()
    name = (SHOWN if SCREENSHOTS else SMALL)["name"]
    wait(browser).until(lambda b: name in b.find_element(By.TAG_NAME, "body").text)

    browser.get(f"{site}/dashboard/studies/1")
    wait(browser).until(lambda b: loaded(b, "/artifacts/") == 1)  # the gallery
    text = browser.find_element(By.TAG_NAME, "body").text
    assert "noisy input, PSNR (dB)" in text
    assert "Validation PSNR of the trials" in text
    keep(browser, "study", folder)

    browser.get(f"{site}/dashboard/studies/1/note")
    wait(browser).until(lambda b: loaded(b, "/pictures/") == 1)
    keep(browser, "gallery", folder)

    browser.get(f"{site}/dashboard/studies/1/trials")
    wait(browser).until(lambda b: "Best Trial" in b.page_source)
    browser.find_element(By.XPATH, "//*[text()='Best Trial']/ancestor::li").click()
    wait(browser).until(lambda b: (loaded(b, "/pictures/"), loaded(b, "/artifacts/")) == (2, 2))
    assert "against the noisy input" in browser.find_element(By.TAG_NAME, "body").text
    keep(browser, "trial", folder)

    errors = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert errors == []


def test_a_stored_page_does_not_run(browser: WebDriver, site: str, cli: Cli) -> None:
    """Also for somebody who is logged in and opens it."""
    store = Path(cli.environment["AUTOENCODER_HPO_HOME"]) / "artifacts"
    gallery = max(store.iterdir(), key=lambda file: file.stat().st_mtime)
    gallery.write_text("<script>document.title = 'it ran'</script>")
    browser.get(f"{site}/login")
    browser.find_element(By.ID, "password").send_keys("secret")
    browser.find_element(By.TAG_NAME, "button").click()
    wait(browser).until(lambda b: "/dashboard" in b.current_url)
    browser.get(f"{site}/pictures/{gallery.name}.png")
    assert browser.title != "it ran"
