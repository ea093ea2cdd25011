"""Players for sounds, pen drawings and frames, shown in Jupyter and in the static page alike.

Chapters use this room in "The data" and "Look inside". A player is one self-contained piece of
HTML: it loads nothing, shows a useful still where scripts do not run, and works by keyboard.
"""

from __future__ import annotations

import base64
import html
import io
import wave
from typing import TYPE_CHECKING

import numpy as np

from companion.figures import INK, caption_html, card_style, require_alt

if TYPE_CHECKING:
    from IPython.display import HTML

_BUTTON = 'type="button" style="padding:.3rem .9rem;font:inherit;cursor:pointer"'
_DRAWING_SIDE = 100.0
_STROKE_MILLISECONDS = 350

# Each path is hidden by one long dash gap, which the animation closes in the order of the strokes.
_REPLAY = (
    "this.closest('figure').querySelectorAll('svg').forEach(s=>"
    "s.querySelectorAll('path').forEach((p,i)=>"
    "p.animate([{strokeDasharray:'1 3',strokeDashoffset:1.1},"
    "{strokeDasharray:'1 3',strokeDashoffset:0}],"
    f"{{delay:i*{_STROKE_MILLISECONDS},duration:{_STROKE_MILLISECONDS},fill:'backwards'}})))"
)


def audio_player(samples: np.ndarray, sample_rate: int, caption: str) -> HTML:
    """A player for one channel of sound.

    Args:
        samples: (time,) floats from -1 to 1.
        sample_rate: samples a second.
        caption: what is heard; also read out by screen readers.

    Raises:
        ValueError: when the samples are not one finite channel within -1 and 1.
    """
    from IPython.display import HTML

    samples = np.asarray(samples, dtype=np.float64)
    if samples.ndim != 1 or samples.size == 0:
        raise ValueError(
            f"samples has shape {samples.shape}; expected (time,), one channel, not empty. "
            "Select or average the channels first."
        )
    _require_finite(samples, "samples")
    peak = float(np.abs(samples).max())
    if peak > 1:
        raise ValueError(
            f"samples reach {peak:.3g}; expected values from -1 to 1. Divide by the peak, or clip."
        )
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return HTML(
        f'<figure class="course-figure course-audio" style="{card_style()}">'
        f'<audio controls style="max-width:100%" aria-label="{html.escape(caption)}" '
        f'src="data:audio/wav;base64,{base64.b64encode(file.getvalue()).decode()}"></audio>'
        f"{caption_html(caption)}</figure>"
    )


def stroke_player(
    drawings: list[list[np.ndarray]],
    captions: list[str],
    alt: str,
    caption: str,
    columns: int = 6,
) -> HTML:
    """A grid of pen drawings, all to one scale, that replays its strokes when asked.

    Args:
        drawings: each a list of strokes, each an array (points, 2) of x and y, y down. A drawing
            without strokes stays blank.
        captions: one for each drawing; may be empty strings.
        alt: what a reader who cannot see the drawings should know.
        caption: the point of the figure, shown below it.
        columns: the most drawings in a row; a narrow screen shows fewer.

    Raises:
        ValueError: when there is nothing to draw, a stroke is malformed, or captions are missing.
    """
    from IPython.display import HTML

    require_alt(alt)
    if not drawings or len(drawings) != len(captions):
        raise ValueError(
            f"Got {len(drawings)} drawings and {len(captions)} captions; "
            "expected at least one drawing and one caption for each."
        )
    strokes = [
        [_stroke(stroke, f"drawing {index}") for stroke in drawing]
        for index, drawing in enumerate(drawings)
    ]
    span = max((_span(drawing) for drawing in strokes if drawing), default=1.0) or 1.0
    cells = "".join(
        '<div style="text-align:center;min-width:0">'
        f"{_svg(drawing, span, text or alt)}"
        f'<div style="font-size:.85em">{html.escape(text)}</div></div>'
        for drawing, text in zip(strokes, captions, strict=True)
    )
    narrowest = f"max(4.5rem,calc((100% - {columns - 1} * .5rem) / {columns}))"
    return HTML(
        f'<figure class="course-figure course-strokes" role="group" aria-label="{html.escape(alt)}"'
        f' style="{card_style(f"min(100%,{columns * 7.5:g}rem)")}">'
        '<div style="display:grid;gap:.5rem;'
        f'margin-bottom:.5rem;grid-template-columns:repeat(auto-fill,minmax({narrowest},1fr))">'
        f"{cells}</div>"
        f'<button {_BUTTON} onclick="{_REPLAY}">Draw again</button>'
        f"{caption_html(caption)}</figure>"
    )


def frame_player(
    frames: list[np.ndarray], frames_per_second: float, alt: str, caption: str
) -> HTML:
    """An animation with a play button and a slider; the still is the first frame.

    Args:
        frames: uint8 arrays (height, width, 3), all alike in shape.
        frames_per_second: how fast it plays.
        alt: what a reader who cannot see the animation should know.
        caption: the point of the animation, shown below it.

    Raises:
        ValueError: when there are no frames, or they differ in shape or are not RGB bytes.
    """
    from IPython.display import HTML

    require_alt(alt)
    for index, frame in enumerate(frames):
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(
                f"Frame {index} is {frame.dtype} of shape {frame.shape}; "
                "expected uint8 of shape (height, width, 3)."
            )
    shapes = sorted({frame.shape for frame in frames})
    if len(shapes) != 1:
        raise ValueError(f"Expected frames of one shape; got the shapes {shapes}.")
    height, width, _ = frames[0].shape
    columns = int(np.ceil(np.sqrt(len(frames))))
    rows = int(np.ceil(len(frames) / columns))
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    for index, frame in enumerate(frames):
        row, column = divmod(index, columns)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = frame
    move = (
        f"const c=this.value%{columns},r=Math.floor(this.value/{columns});"
        "this.closest('figure').querySelector('img').style.transform="
        f"`translate(${{-c*100/{columns}}}%,${{-r*100/{rows}}}%)`"
    )
    play = (
        "const f=this.closest('figure'),s=f.querySelector('input'),b=this;"
        "if(f.timer){clearInterval(f.timer);f.timer=0;b.textContent='Play'}"
        "else{b.textContent='Pause';f.timer=setInterval(()=>{"
        f"if(!f.isConnected)clearInterval(f.timer);s.value=(+s.value+1)%{len(frames)};s.oninput()}},"
        f"{1000 / frames_per_second:.0f})}}"
    )
    shown = max(width, 240)
    return HTML(
        f'<figure class="course-figure course-frames" style="{card_style()}">'
        f'<div style="overflow:hidden;width:{shown}px;max-width:100%;'
        f'aspect-ratio:{width}/{height}">'
        f'<img alt="{html.escape(alt)}" style="display:block;width:{columns * 100}%;'
        'max-width:none;height:auto;image-rendering:pixelated" '
        f'src="data:image/webp;base64,{base64.b64encode(_webp(sheet)).decode()}"></div>'
        '<div style="display:flex;gap:.5rem;align-items:center;margin-top:.5rem">'
        f'<button {_BUTTON} onclick="{play}">Play</button>'
        f'<input type="range" min="0" max="{len(frames) - 1}" value="0" aria-label="Frame" '
        f'style="flex:1;min-width:0" oninput="{move}"></div>'
        f"{caption_html(caption)}</figure>"
    )


def _require_finite(values: np.ndarray, name: str) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds NaN or infinity; expected finite numbers.")


def _stroke(stroke: np.ndarray, owner: str) -> np.ndarray:
    stroke = np.asarray(stroke, dtype=np.float64)
    if stroke.ndim != 2 or stroke.shape[1] != 2 or len(stroke) == 0:
        raise ValueError(
            f"A stroke of {owner} has shape {stroke.shape}; expected (points, 2), not empty."
        )
    _require_finite(stroke, f"A stroke of {owner}")
    return stroke


def _span(drawing: list[np.ndarray]) -> float:
    """The longer side of the drawing's bounding box."""
    return float(np.ptp(np.concatenate(drawing), axis=0).max())


def _svg(drawing: list[np.ndarray], span: float, label: str) -> str:
    """The drawing in the middle of a square whose side stands for `span`."""
    margin, side = 5, int(_DRAWING_SIDE) + 10
    paths = ""
    if drawing:
        points = np.concatenate(drawing)
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        for stroke in drawing:
            placed = (stroke - middle) * (_DRAWING_SIDE / span) + _DRAWING_SIDE / 2
            # A lone point gets a second one: a path of no length shows no dot.
            corners = np.round(placed if len(placed) > 1 else placed.repeat(2, axis=0), 1)
            if np.ptp(corners, axis=0).max() == 0:
                corners[-1, 0] += 0.1
            line = " ".join(f"{x:g},{y:g}" for x, y in corners)
            paths += f'<path pathLength="1" d="M{line}"/>'
    return (
        f'<svg role="img" aria-label="{html.escape(label)}" '
        f'viewBox="{-margin} {-margin} {side} {side}" style="width:100%;aspect-ratio:1" '
        f'fill="none" stroke="{INK}" stroke-width="2.5" stroke-linecap="round" '
        f'stroke-linejoin="round">{paths}</svg>'
    )


def _webp(sheet: np.ndarray) -> bytes:
    """The sheet as WebP, exact or lossy, whichever is smaller."""
    from PIL import Image

    image = Image.fromarray(sheet)
    coded = []
    for options in ({"lossless": True}, {"quality": 85}):
        file = io.BytesIO()
        image.save(file, "webp", method=6, **options)
        coded.append(file.getvalue())
    return min(coded, key=len)
