"""What is wrong with a study's images, from the census that it stores of them."""

from autoencoder_hpo.data.image_statistics import ImageStatistics
from autoencoder_hpo.diagnosis.findings import Facts, Finding, Sure

SHARE = 0.01
"""Of the images: fewer copies, empty or white ones do not move a score."""
OUTLIERS = 0.002
FEWEST = 3
BOTH_ENDS = 0.12
"""Share of all values at 0, and as much at 1. A dark or a white background is natural; both ends
at once come from a range that was cut, unless there is nothing else."""
TWO_COLORS = 0.95
MEDIAN_WHITE = 0.05
IMBALANCE = 10
FEW_IN_CLASS = 100
FEW_IMAGES, FEW_PIXELS = 300, 300_000
"""Training images and their pixels: few large images are cut into many places by a convolution."""
FEW_VALIDATION = 30


def of_images(facts: Facts) -> list[Finding]:
    """Copies, empty, cut and odd images, uneven folders, too few; old studies have no census."""
    census = facts.data.census
    found = _too_few(facts)
    if census is None:
        return found
    return [
        *_duplicates(census, facts),
        *_constant(census),
        *_saturated(census),
        *_outliers(census),
        *_imbalance(census),
        *found,
    ]


def _finding(
    kind: str,
    seen: str,
    remedy: str,
    *,
    sure: Sure,
    change: str | None = None,
    **figures: float | str,
) -> Finding:
    return Finding(kind, "study", seen, figures, sure, remedy, change)


def _duplicates(census: ImageStatistics, facts: Facts) -> list[Finding]:
    copies, validation = census.copies, facts.data.counts["validation"]
    if copies < max(FEWEST, SHARE * validation):
        return []
    return [
        _finding(
            "duplicates",
            f"{copies:,} of {validation:,} validation images are training images as well, pixel by "
            "pixel: the scores reward what was learned by heart.",
            "Remove the copies from the data set, and create the study anew.",
            sure="certain",
            copies=copies,
            validation=validation,
        )
    ]


def _constant(census: ImageStatistics) -> list[Finding]:
    constant, images = census.constant, census.looked_at
    if constant < max(FEWEST, SHARE * images):
        return []
    return [
        _finding(
            "constant-images",
            f"{constant:,} of {images:,} images have the same value in every pixel: there is "
            "nothing in them to restore, and each is restored easily.",
            "Remove empty images; from folders, cut larger patches.",
            sure="likely",
            constant=constant,
            images=images,
        )
    ]


def _saturated(census: ImageStatistics) -> list[Finding]:
    """Single white images in a set that is not white, or a range that is cut at both ends."""
    white, images = census.white, census.looked_at
    at_0, at_1 = census.at_0, census.at_1
    remedy = "Look at some of these images; read them with a range that holds their brightest and "
    remedy += "darkest values, or leave them out."
    if min(at_0, at_1) >= BOTH_ENDS and at_0 + at_1 < TWO_COLORS:
        seen = f"{at_0:.0%} of all values are 0 and {at_1:.0%} are 1: what was darker or brighter "
        seen += "was cut off."
    elif white >= max(FEWEST, SHARE * images) and census.typically_white < MEDIAN_WHITE:
        seen = f"{white:,} of {images:,} images are at the brightest value in more than half of "
        seen += f"their pixels; the typical image is so in {census.typically_white:.1%}."
    else:
        return []
    return [
        _finding(
            "saturated-images", seen, remedy, sure="possible", white=white, at_0=at_0, at_1=at_1
        )
    ]


def _outliers(census: ImageStatistics) -> list[Finding]:
    outliers, images = census.outliers, census.looked_at
    if outliers < max(FEWEST, OUTLIERS * images):
        return []
    return [
        _finding(
            "outliers",
            f"{outliers:,} of {images:,} images are much brighter, darker or richer in contrast "
            "than all others.",
            "Look at the brightest and the darkest images; remove what does not belong, or add "
            "more of the kind.",
            sure="possible",
            outliers=outliers,
            images=images,
        )
    ]


def _imbalance(census: ImageStatistics) -> list[Finding]:
    folders = census.folders
    if folders is None:
        return []
    (rare, few), (common, many) = folders.fewest, folders.most
    if few >= FEW_IN_CLASS or many < IMBALANCE * few:
        return []
    return [
        _finding(
            "imbalance",
            f"Folder {rare} has {few:,} training images and folder {common} {many:,}: what is rare "
            "is learned last, and hardly seen in the score.",
            f"Add images like those in {rare}, or search on fewer of the others.",
            sure="possible",
            fewest=few,
            most=many,
        )
    ]


def _too_few(facts: Facts) -> list[Finding]:
    counts, (channels, height, width) = facts.data.counts, facts.data.shape
    train, validation = counts["train"], counts["validation"]
    pixels = train * channels * height * width
    if train < FEW_IMAGES and pixels < FEW_PIXELS:
        said = f"There are {train:,} training images of {height}×{width}"
        remedy, change = "Add images, or noise and dropout against learning by heart.", None
        if facts.study.task.data.train is not None:
            remedy, change = "Search on more of the training images.", "task.data.train: null"
    elif validation < FEW_VALIDATION:
        said = f"There are {validation:,} validation images, too few to tell good trials apart"
        remedy, change = "Set more images aside for validation.", "task.data.validation: 0.2"
    else:
        return []
    return [
        _finding(
            "too-few-images",
            f"{said}: a model that does well on these may do badly on others.",
            remedy,
            sure="likely" if train < FEW_IMAGES else "possible",
            change=change,
            train=train,
            validation=validation,
        )
    ]
