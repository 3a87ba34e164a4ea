"""From stored values to [0, 1]: missing values filled, one linear map for all images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from autoencoder_hpo.data.pixels import Missing, Source
from autoencoder_hpo.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """The map from stored values to [0, 1], and what stands for missing ones."""

    low: Tensor
    """The stored value that becomes 0: a scalar, or [1,1,D] for feature vectors."""
    high: Tensor
    """The stored value that becomes 1, of the same shape; where it equals `low`, all become 0."""
    fill: Tensor | None
    """[C,H,W], stored values in place of NaN and infinite ones; None when there are none."""

    def apply(self, stored_NCHW: Tensor) -> Tensor:
        """float32 [N,C,H,W] in [0, 1]; what lies outside is clamped."""
        values = as_floats(stored_NCHW)
        if self.fill is not None:
            values = torch.where(values.isfinite(), values, self.fill)
        if values is stored_NCHW:
            values = values.clone()
        span = self.high - self.low
        values.sub_(self.low).div_(span.where(span > 0, 1))  # in place: these are large
        if not (span > 0).all():
            values = torch.where(span > 0, values, 0)
        return values.clamp_(0, 1).float()


def fit_scaling(source: Source, train: Tensor, *, scale: str) -> Scaling:
    """Find the map; whatever is estimated comes from the training images alone.

    Args:
        train: int64, the training images' places in `source.clean`.
        scale: `dtype` for the range of the stored type, `minmax` for the training extremes.

    Raises:
        DataError: `dtype`, and the stored type has no range or values lie outside it.
    """
    if scale == "dtype" and not source.clean.is_floating_point():  # nothing to look at
        zero = as_floats(source.clean[:0]).new_zeros(())
        return Scaling(zero, zero + _full_scale(source), None)
    images = as_floats(source.clean[train])
    fill = _fill(images, source.missing) if source.clean.is_floating_point() else None
    if scale == "dtype":
        zero = images.new_zeros(())
        return Scaling(zero, zero + _full_scale(source), fill)
    if fill is not None:
        images = torch.where(images.isfinite(), images, fill)
    return _minmax(images, fill, per_column=source.vectors)


def as_floats(stored: Tensor) -> Tensor:
    """float32 where it holds the stored values exactly, else float64."""
    exact = stored.dtype in (torch.uint8, torch.int8, torch.int16, torch.bool, torch.float16)
    return stored.float() if exact or stored.dtype == torch.float32 else stored.double()


def _minmax(train: Tensor, fill: Tensor | None, *, per_column: bool) -> Scaling:
    if per_column:
        return Scaling(train.amin(0), train.amax(0), fill)
    return Scaling(train.min(), train.max(), fill)


def _fill(train: Tensor, missing: Missing) -> Tensor | None:
    """The mean of the finite training values at every place, 0 where there are none; or 0."""
    if missing == "mean":
        finite = train.isfinite()
        total = torch.where(finite, train, 0).double().sum(0)
        return (total / finite.sum(0).clamp(min=1)).to(train.dtype)
    return torch.zeros_like(train[0]) if missing == "zero" else None


def _full_scale(source: Source) -> float:
    if source.full_scale is None:
        raise DataError(
            "integers other than uint8 and uint16 have no natural range; set data.scale: minmax"
        )
    if source.clean.is_floating_point():
        _check_range(source.clean, source.full_scale)
    return source.full_scale


def _check_range(values: Tensor, full_scale: float) -> None:
    finite = values[values.isfinite()]
    if len(finite) and (finite.min() < 0 or finite.max() > full_scale):
        raise DataError(
            f"values reach from {finite.min():g} to {finite.max():g}, not from 0 to "
            f"{full_scale:g}; set data.scale: minmax"
        )
