"""What a metric says of itself."""

import json
import pickle

import numpy as np
import pytest

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.training.loop import EpochResult

MSE, PSNR, SSIM, BCE = Metric


def test_a_metric_is_its_name() -> None:
    for metric in Metric:
        assert json.dumps({"objective": metric}) == f'{{"objective": "{metric.value}"}}'
        assert pickle.loads(pickle.dumps(metric)) is metric is Metric(metric.value)
        assert metric.key == metric.value.removeprefix("val_")


def test_a_member_that_says_nothing_of_itself_is_refused() -> None:
    with pytest.raises(TypeError, match="val_lpips: a metric is a name and a row"):
        Metric.__new_member__(Metric, "val_lpips")  # as a class with such a member does


def test_values_in_words() -> None:
    assert MSE.said(0.009123) == "0.00912"
    assert PSNR.said(24.776) == PSNR.named(24.776) == "24.78 dB"
    assert SSIM.named(0.87654) == "SSIM 0.8765"
    assert BCE.named(0.284123) == "BCE 0.28412"
    assert PSNR.said(-0.0123, signed=True, more=1) == "-0.012 dB"
    assert [metric.said(None) for metric in Metric] == ["–"] * 4
    assert [metric.axis for metric in Metric] == ["MSE", "dB", "SSIM", "BCE"]
    assert [metric.heading for metric in Metric] == ["MSE", "PSNR (dB)", "SSIM", "BCE"]


def test_differences_are_said_in_what_they_are_of() -> None:
    said = [metric.apart(0.314) for metric in Metric]
    assert said == ["0.31 dB", "0.31 dB", "0.31 dB of SSIM", "0.31 dB of BCE"]
    assert (PSNR.by(0.123), SSIM.by(0.0503)) == ("0.12 dB", "0.0503 of SSIM")


def test_an_mse_is_seen_as_psnr() -> None:
    assert [metric.shown for metric in Metric] == [PSNR, PSNR, SSIM, BCE]
    assert [metric.seen_as_psnr for metric in Metric] == [True, True, False, False]


def test_decibels() -> None:
    assert MSE.decibel(0.01) == pytest.approx(20)
    assert MSE.decibel(0.0) == pytest.approx(100)
    assert PSNR.decibel(20.0) == 20
    assert SSIM.decibel(0.99) == pytest.approx(20)
    assert SSIM.decibel(1.0) == pytest.approx(100)
    assert SSIM.decibel(-1.0) < SSIM.decibel(0.0) == 0
    assert BCE.decibel(0.1) == pytest.approx(10)


def test_the_best_and_the_best_so_far() -> None:
    values = [0.2, 0.5, 0.3, 0.1]
    assert [metric.best(values) for metric in Metric] == [0.1, 0.5, 0.5, 0.1]
    assert SSIM.best([]) is None
    assert SSIM.best_so_far(values) == [0.2, 0.5, 0.5, 0.5]
    assert BCE.best_so_far(values) == [0.2, 0.2, 0.2, 0.1]
    assert BCE.ahead(0.1, 0.3) == pytest.approx(0.2)
    assert SSIM.ahead(np.array([0.1]), np.array([0.3])) == pytest.approx([-0.2])


def test_only_a_psnr_is_drawn_where_it_is_not() -> None:
    assert PSNR.height(-250.0) == 0
    assert SSIM.height(-0.51234) == -0.51234
    assert BCE.height(0.2841234) == 0.284123


def test_a_value_that_was_not_measured_is_no_value() -> None:
    epoch = EpochResult(1, 0.1, 0.2, 7.0, 0.01, {"val_ssim": 0.5})
    assert [metric.of(epoch) for metric in (MSE, PSNR, SSIM)] == [0.2, 7.0, 0.5]
    with pytest.raises(ValueError, match="val_bce was not measured"):
        BCE.of(epoch)


def test_what_a_metric_needs() -> None:
    for output in ("sigmoid", "linear", "residual"):
        refusing = [metric for metric in Metric if metric.refuses_output(output)]
        assert refusing == ([] if output == "sigmoid" else [BCE])
    assert [metric for metric in Metric if metric.refuses_shape((1, 1, 30))] == [SSIM]
    assert SSIM.refuses_shape((3, 3, 8)) is None
