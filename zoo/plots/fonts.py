"""Fonts for names in any script: another installed font draws what Matplotlib's default lacks."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import unicodedata
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

USUAL = "DejaVu Sans"  # comes with Matplotlib
NOT_FOR_NAMES = re.compile(r"Last ?Resort|STIXNon|STIXSize|cm[a-z]+\d")  # boxes and formulas
CJK = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "IDEOGRAPHIC", "FULLWIDTH")


@contextlib.contextmanager
def readable(figure: Figure) -> Iterator[None]:
    """While a figure is drawn, give its texts fonts that have their characters.

    Args:
        figure: Any Matplotlib figure. Texts that the default font can write are not changed.

    Warns:
        UserWarning: If no installed font has some of the characters: which they are, and what to
            install.
    """
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter

    texts = figure.findobj(Text)
    every = "".join(text.get_text() for text in texts)
    labels = {}
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(formatter := axis.get_major_formatter(), FixedFormatter):
            labels[axis] = "".join(map(str, formatter.seq))
    families, lacking = _families(frozenset(every + "".join(labels.values())))
    if families:
        for text in texts:
            if _missing(text.get_text()):
                text.set_fontfamily([USUAL, *families])
        for axis, names in labels.items():
            if _missing(names):
                axis.set_tick_params(labelfontfamily=[USUAL, *families])
    if lacking:
        _warn(lacking)
    logger = logging.getLogger("matplotlib.font_manager")  # reports every face that is not bold
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")
            yield
    finally:
        logger.setLevel(level)


def _missing(characters: str | frozenset[str]) -> frozenset[str]:
    """Return the visible characters that the default font lacks."""
    if all(character < "\u0250" for character in characters):  # Latin
        return frozenset()
    lacking = (c for c in characters if ord(c) not in _characters(_faces()[USUAL]))
    return frozenset(c for c in lacking if unicodedata.category(c)[0] not in "ZC")


@functools.lru_cache(maxsize=64)
def _families(characters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return families that have what the default font lacks, and the characters that none has."""
    lacking = _missing(characters)
    chosen: list[str] = []
    for is_complete in (False, True):
        if lacking and is_complete:
            _add_new_fonts()
        faces = _faces() if lacking else {}
        while lacking:
            family = _widest(faces, lacking)
            if not (found := _has(faces[family], lacking)):
                break
            chosen.append(family)
            lacking -= found
    return tuple(chosen), lacking


def _faces() -> dict[str, str]:
    """Map each installed family to the file of its most regular face, Noto Sans families first."""
    from matplotlib import font_manager

    fonts = [f for f in font_manager.fontManager.ttflist if not NOT_FOR_NAMES.match(f.name)]
    fonts.sort(key=lambda f: (f.style != "normal", abs(int(f.weight) - 400)))
    faces: dict[str, str] = {}
    for font in fonts:
        faces.setdefault(font.name, font.fname)
    order = sorted(faces, key=lambda name: (not name.startswith("Noto Sans"), "Sans" not in name))
    return {name: faces[name] for name in order}


def _widest(faces: dict[str, str], characters: frozenset[str]) -> str:
    """Return the first family that has all characters, else the one that has the most."""
    counts: dict[str, int] = {}
    for family, file in faces.items():
        counts[family] = len(_has(file, characters))
        if counts[family] == len(characters):
            return family
    return max(counts, key=lambda family: counts[family])


def _has(file: str, characters: frozenset[str]) -> frozenset[str]:
    return frozenset(c for c in characters if ord(c) in _characters(file))


@functools.cache
def _characters(file: str) -> frozenset[int]:
    """Return the characters that a font file has."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):  # it was removed, or Matplotlib cannot draw it
        return frozenset()


def _add_new_fonts() -> None:
    """Add fonts that were installed after Matplotlib built its list."""
    from matplotlib import font_manager

    known = {font.fname for font in font_manager.fontManager.ttflist}
    for file in font_manager.findSystemFonts():
        if file not in known:
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                font_manager.fontManager.addfont(file)


@functools.cache
def _warn(lacking: frozenset[str]) -> None:
    """Warn once about characters that no font has."""
    warnings.warn(
        f"No installed font has {_some(lacking)}, so a picture shows boxes in their place; "
        f"install fonts that have them, such as those of Debian's {_packages(lacking)}.",
        stacklevel=2,
    )


def _some(characters: frozenset[str]) -> str:
    """List the first few characters, letters if there are any."""
    shown = sorted(filter(str.isalpha, characters)) or sorted(characters)
    return f"the characters {''.join(shown[:8])}{' and others' if len(shown) > 8 else ''}"


def _packages(characters: frozenset[str]) -> str:
    east = {unicodedata.name(character, "").startswith(CJK) for character in characters}
    return " and ".join(f"fonts-noto-{'cjk' if each else 'core'}" for each in sorted(east))
