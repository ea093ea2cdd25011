"""Figures that look alike in every chapter and carry alternative text.

Every chapter uses this room. Figures stand on a light card in the light and dark themes alike.
"""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours without their yellow, which is too faint on a light card.
PALETTE: list[str] = [
    "#0072B2",  # blue
    "#D55E00",  # vermilion
    "#009E73",  # green
    "#CC79A7",  # purple
    "#E69F00",  # orange
    "#56B4E9",  # sky blue
    "#222222",  # ink
]

CARD = "#fdfcf8"
INK = "#222222"
DOTS_PER_INCH = 110
_INVISIBLE = 8  # levels of 256 by which a pixel may change
_QUALITY = 85  # of a WebP, of 100


def card_style(width: str = "fit-content") -> str:
    """Inline style of the light card on which figures and players stand."""
    return (
        f"background:{CARD};color:{INK};width:{width};max-width:100%;box-sizing:border-box;"
        "margin:1rem 0;padding:.75rem;border-radius:.5rem"
    )


def caption_html(caption: str) -> str:
    """The caption as an HTML element; nothing for an empty caption."""
    if not caption:
        return ""
    return f'<figcaption style="margin-top:.5rem;color:{INK}">{html.escape(caption)}</figcaption>'


def use_style() -> None:
    """Set matplotlib's defaults for the course; call it once at the top of a chapter."""
    import matplotlib
    from cycler import cycler

    matplotlib.rcParams.update(
        {
            "figure.dpi": DOTS_PER_INCH,
            "figure.figsize": (6.4, 3.6),
            "figure.facecolor": CARD,
            "figure.constrained_layout.use": True,
            "savefig.facecolor": CARD,
            "axes.facecolor": CARD,
            "axes.edgecolor": "#777777",
            "axes.labelcolor": INK,
            "axes.titlesize": "medium",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.prop_cycle": cycler(color=PALETTE),
            "grid.color": "#e4e1d8",
            "grid.linewidth": 0.8,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "font.size": 10.5,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "image.cmap": "viridis",
        }
    )


def show(figure: Figure, alt: str, caption: str = "") -> None:
    """Display `figure` with its alternative text and caption, and close it.

    Args:
        figure: a matplotlib figure.
        alt: what a reader who cannot see the figure should know.
        caption: the point of the figure, shown below it.

    Raises:
        ValueError: when `alt` is empty.
    """
    import matplotlib.pyplot as plt
    from IPython.display import HTML, display

    require_alt(alt)
    for axes in figure.axes:
        if axes.images:
            axes.grid(False)
    data, kind, width, height = _compressed(figure)
    plt.close(figure)
    display(
        HTML(
            f'<figure class="course-figure" style="{card_style()}">'
            f'<img alt="{html.escape(alt)}" width="{width}" height="{height}" '
            f'style="max-width:100%;height:auto" '
            f'src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'
            f"{caption_html(caption)}</figure>"
        )
    )


def require_alt(alt: str) -> None:
    """Raise ValueError when there is no alternative text."""
    if not alt.strip():
        raise ValueError(
            "alt is empty. Say in a sentence what the figure shows, for readers who cannot see it."
        )


def _compressed(figure: Figure) -> tuple[bytes, str, int, int]:
    """The figure as a small file: its bytes, its kind, width and height in pixels.

    A chart becomes a PNG, a figure of photograph-like pictures a WebP.
    """
    import numpy as np
    from PIL import Image

    raw, small = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, format="png", dpi=DOTS_PER_INCH, bbox_inches="tight")
    image = Image.open(raw).convert("RGB")
    # 256 colours make a chart three times smaller and cannot be seen; in a smooth picture they can.
    reduced = image.quantize(256, dither=Image.Dither.NONE)
    error = np.abs(np.asarray(reduced.convert("RGB"), int) - np.asarray(image, int)).max(axis=-1)
    if np.percentile(error, 99) <= _INVISIBLE:
        kind = "png"
        reduced.save(small, kind, optimize=True)
    else:
        kind = "webp"
        image.save(small, kind, quality=_QUALITY, method=6)
    return small.getvalue(), kind, image.width, image.height
