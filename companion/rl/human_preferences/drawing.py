"""Chapter 4.3, drawing: clips that move without a script, and strips of their poses.

A drawing is one self-contained SVG of a few kilobytes a clip. It plays in a notebook, in the static
page and in an ipywidgets.HTML, stands on its own light card, and shows poses in place of motion to
readers who asked their system for less motion, and in print.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from companion.figures import CARD, INK, caption_html, card_style, require_alt
from companion.rl.human_preferences.data import Clips
from companion.rl.human_preferences.gymnast import STEP_SECONDS
from companion.rl.human_preferences.poses import View
from companion.rl.human_preferences.scene import FAINT, UNITS, Scene, Stroke, scene_of

if TYPE_CHECKING:
    from IPython.display import HTML

HELD_STEPS = 10  # for which the last pose stays, so that one sees where a clip begins anew
STILLS = 6  # poses that stand for a clip where nothing moves
PANEL_WIDTH = 280  # pixels
STRIP_SCALE = 0.45  # of a panel in a strip, so that six of them fit a page and can be read
GAP, CAPTION_HEIGHT = 12, 26  # pixels
MARK_DISTANCE = 0.5  # metres along the ground

# A label's text says what ticking it does, which depends on what the reader's system asks for.
STYLE = (
    ".course-clips .still,.course-clip-player .calm{display:none}"
    ".course-clip-player:has(:checked) .moving{display:none}"
    ".course-clip-player:has(:checked) .still{display:inline}"
    "@media (prefers-reduced-motion:reduce),print{"
    ".course-clips .moving,.course-clip-player .lively{display:none}"
    ".course-clips .still,.course-clip-player .calm{display:inline}}"
    "@media (prefers-reduced-motion:reduce){"
    ".course-clip-player:has(:checked) .moving{display:inline}"
    ".course-clip-player:has(:checked) .still{display:none}}"
)


# --- what chapters call ------------------------------------------------------------------------


def animation(
    clips: Clips,
    captions: list[str],
    alt: str,
    view: View = "front",
    columns: int = 2,
) -> str:
    """One SVG in which the clips play side by side, at their true speed, over and over.

    Args:
        clips: a clip for each panel.
        captions: a text below each panel; may be empty strings.
        alt: what a reader who cannot see the clips should know.
        view: "front", or "below" for a gymnast seen by a camera that looks straight up.
        columns: panels in a row.

    Raises:
        ValueError: when the clips cannot be drawn, a caption is missing, or `alt` is empty.
    """
    drawn = scene_of(clips, view)
    panels = [
        f'<g class="moving">{_moving(drawn, clip)}</g><g class="still">{_stills(drawn, clip)}</g>'
        for clip in range(len(clips))
    ]
    return _sheet(panels, captions, alt, columns, PANEL_WIDTH, _panel_height(drawn))


def strip(
    clips: Clips,
    alt: str,
    view: View = "front",
    count: int = STILLS,
) -> str:
    """One SVG of still poses: a row for each clip, `count` moments evenly from first to last.

    Args:
        clips: a clip for each row.
        alt: what a reader who cannot see the poses should know.
        view: as in `animation`.
        count: poses in a row.

    Raises:
        ValueError: as `animation` does, and when a clip has fewer steps than `count`.
    """
    drawn = scene_of(clips, view)
    if not 1 <= count <= clips.length:
        raise ValueError(
            f"{count} poses of a clip of {clips.length} steps were asked for: choose 1 to "
            f"{clips.length}"
        )
    moments = _moments(clips.length, count)
    panels = [
        _still(drawn, clip, step, STRIP_SCALE) for clip in range(len(clips)) for step in moments
    ]
    captions = [f"{step * STEP_SECONDS:.2f} s" for step in moments] * len(clips)
    width, height = round(PANEL_WIDTH * STRIP_SCALE), round(_panel_height(drawn) * STRIP_SCALE)
    return _sheet(panels, captions, alt, count, width, height)


def clip_player(
    clips: Clips,
    captions: list[str],
    alt: str,
    caption: str,
    view: View = "front",
    columns: int = 2,
) -> HTML:
    """`animation` on a card with a caption, for a chapter, and a box that stops the motion."""
    from IPython.display import HTML

    return HTML(player_html(animation(clips, captions, alt, view, columns), caption))


def clip_strip(
    clips: Clips, alt: str, caption: str, view: View = "front", count: int = STILLS
) -> HTML:
    """`strip` on a card with a caption, for a chapter."""
    from IPython.display import HTML

    return HTML(
        f'<figure class="course-figure" style="{card_style()}">'
        f"{strip(clips, alt, view, count)}{caption_html(caption)}</figure>"
    )


def player_html(svg: str, caption: str = "") -> str:
    """An animation, a box that puts poses in place of its motion and back, and a caption."""
    return (
        f'<figure class="course-figure course-clip-player" style="{card_style()}">{svg}'
        '<label style="display:block;margin-top:.5rem;color-scheme:light"><input type="checkbox"/> '
        '<span class="lively">poses in place of motion</span>'
        '<span class="calm">motion in place of poses</span></label>'
        f"{caption_html(caption)}</figure>"
    )


# --- pieces of SVG -----------------------------------------------------------------------------


def _sheet(
    panels: list[str],
    captions: list[str],
    alt: str,
    columns: int,
    panel_width: int,
    panel_height: int,
) -> str:
    """Panels in rows on a light card, each with its caption below."""
    require_alt(alt)
    if len(panels) != len(captions):
        raise ValueError(f"{len(panels)} clips and {len(captions)} captions: give one for each")
    if columns < 1:
        raise ValueError(f"{columns} panels in a row were asked for: at least 1 is needed")
    columns = min(columns, len(panels))
    across, down = panel_width + GAP, panel_height + CAPTION_HEIGHT + GAP
    width, height = columns * across + GAP, -(-len(panels) // columns) * down + GAP
    cells = ""
    for number, (panel, caption) in enumerate(zip(panels, captions, strict=True)):
        row, column = divmod(number, columns)
        cells += (
            f'<g transform="translate({GAP + column * across} {GAP + row * down})">{panel}'
            f'<text x="{panel_width // 2}" y="{panel_height + CAPTION_HEIGHT - 2}" fill="{INK}" '
            f'stroke="none" text-anchor="middle">{html.escape(caption)}</text></g>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="course-clips" role="img" '
        f'aria-label="{html.escape(alt)}" '
        f'viewBox="0 0 {width} {height}" fill="none" stroke-linecap="round" '
        f'font-family="sans-serif" font-size="17" '
        f'style="display:block;width:{width}px;max-width:100%;height:auto">'
        f"<style>{STYLE}</style>"
        f'<rect width="{width}" height="{height}" rx="8" fill="{CARD}"/>{cells}</svg>'
    )


def _panel_height(drawn: Scene) -> int:
    left, bottom, right, top = drawn.window
    return round(PANEL_WIDTH * (top - bottom) / (right - left))


def _window(drawn: Scene, content: str, scale: float = 1, x: int = 0, y: int = 0) -> str:
    """A panel, or one `scale` times as large; what lies beyond its edge is not seen."""
    left, bottom, right, top = (round(edge * UNITS) for edge in drawn.window)
    return (
        f'<svg x="{x}" y="{y}" width="{PANEL_WIDTH * scale:g}" '
        f'height="{_panel_height(drawn) * scale:g}" '
        f'viewBox="{left} {-top} {right - left} {top - bottom}">{drawn.backdrop}{content}</svg>'
    )


def _moving(drawn: Scene, clip: int) -> str:
    """A clip in motion, and below it a bar that grows with its time."""
    poses = drawn.segments[clip]  # (steps, segments, 2, 2)
    share = (len(poses) - 1) / (len(poses) - 1 + HELD_STEPS)
    clock = (
        f'<rect y="{_panel_height(drawn) + 3}" height="3" fill="{FAINT}">'
        f'<animate attributeName="width" dur="{_seconds(len(poses))}s" repeatCount="indefinite" '
        f'keyTimes="0;{share:.4f};1" values="0;{PANEL_WIDTH};{PANEL_WIDTH}"/></rect>'
    )
    figure = "".join(_stroke(poses, stroke) for stroke in drawn.strokes)
    return _window(drawn, _ground(drawn, clip) + figure) + clock


def _stills(drawn: Scene, clip: int) -> str:
    """Poses in two rows of three, in the place of a panel, to be read as text is."""
    height = _panel_height(drawn)
    places = [
        (PANEL_WIDTH * column // 3, height * row // 2) for row in (0, 1) for column in range(3)
    ]
    moments = _moments(drawn.segments.shape[1], STILLS)
    return "".join(
        _still(drawn, clip, step, 1 / 3, *place)
        for step, place in zip(moments, places, strict=False)
    )


def _moments(steps: int, count: int) -> list[int]:
    """At most `count` steps, evenly from the first to the last."""
    return np.linspace(0, steps - 1, min(count, steps)).round().astype(int).tolist()


def _still(drawn: Scene, clip: int, step: int, *place: float) -> str:
    """One pose in a window of its own."""
    poses = drawn.segments[clip, step : step + 1]
    figure = "".join(_stroke(poses, stroke) for stroke in drawn.strokes)
    return _window(drawn, _ground(drawn, clip, step) + figure, *place)


def _stroke(poses: Float[np.ndarray, "steps segments 2 2"], stroke: Stroke) -> str:
    """Limbs in one pose or, each end going straight from one step's place to the next's, in all."""
    paths = [_path(segments) for segments in poses[:, stroke.limbs]]
    return (
        f'<path stroke="{stroke.colour}" stroke-width="{stroke.width * UNITS:.0f}" d="{paths[0]}">'
        f"{_animate('animate', 'd', paths)}</path>"
    )


def _path(segments: Float[np.ndarray, "limbs 2 2"]) -> str:
    """Lines in metres as an SVG path, y downwards."""
    corners = np.rint(segments * [UNITS, -UNITS]).astype(int)
    return "".join(f"M{a},{b} {c},{d}" for (a, b), (c, d) in corners)


def _ground(drawn: Scene, clip: int, step: int | None = None) -> str:
    """Marks on the ground that pass by the camera, or where they are at one step."""
    if drawn.travel is None:
        return ""
    travel = drawn.travel[clip] if step is None else drawn.travel[clip, step : step + 1]
    left, _, right, _ = drawn.window
    first = np.floor((travel.min() + left) / MARK_DISTANCE)
    last = np.ceil((travel.max() + right) / MARK_DISTANCE)
    marks = "".join(
        f"M{mark * MARK_DISTANCE * UNITS:.0f},4v20" for mark in np.arange(first, last + 1)
    )
    shifts = [f"{-metres * UNITS:.0f}" for metres in travel]
    return (
        f'<g transform="translate({shifts[0]})">'
        f'<path d="{marks}" stroke="{FAINT}" stroke-width="6"/>'
        f"{_animate('animateTransform', 'transform', shifts)}</g>"
    )


def _animate(element: str, attribute: str, values: list[str]) -> str:
    """An attribute's value at each step, the last one held for a while, for ever."""
    if len(values) == 1:
        return ""
    held = values + [values[-1]] * HELD_STEPS
    kind = ' type="translate"' if element == "animateTransform" else ""
    return (
        f'<{element} attributeName="{attribute}"{kind} dur="{_seconds(len(values))}s" '
        f'repeatCount="indefinite" values="{";".join(held)}"/>'
    )


def _seconds(steps: int) -> str:
    """How long a clip of so many steps takes with its last pose held."""
    return f"{(steps - 1 + HELD_STEPS) * STEP_SECONDS:g}"
