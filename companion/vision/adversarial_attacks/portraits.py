"""Chapter 3.11, portraits: twelve drawn people, their album, and glasses put on their noses."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from companion.datasets import face_geometry, faces
from companion.seeds import generator
from companion.vision.adversarial_attacks.photography import Camera, photograph, sample_views

PEOPLE = 12
SIZE = 64  # pixels of a picture
CROP = 1.3  # enlargement: recognition sees a face cropped to little more than itself
PER_PERSON = {"train": 150, "test": 40}
GLASSES = (24, 64)  # pixels of the glasses' canvas: height, width
# The pose is the drawn head's own; the camera adds what a hand-held one does.
CAMERA = Camera(
    yaw=(-8, 8),
    pitch=6,
    roll=4,
    scales=(0.95, 1.15),
    shift=0.04,
    gains=(0.75, 1.15),
    blurs=(0.0, 0.7),
    noises=(0.0, 0.03),
)


@dataclass(frozen=True)
class Album:
    """Portraits: who (``labels``), in what situation, and the drawn pictures."""

    people: faces.Identity
    situations: faces.Situation
    labels: Int64[Tensor, " pictures"]
    pictures: Float[Tensor, "pictures 3 size size"]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Int64[Tensor, " rows"]) -> "Album":
        """The portraits of these rows, in this order; a row may come more than once."""
        return Album(
            self.people[rows], self.situations[rows], self.labels[rows], self.pictures[rows]
        )


def draw_album(split: str, *, person: int | None = None, bare: bool = False) -> Album:
    """The twelve, or one ``person``, in all situations of a split; the same at every call.

    A third of the pictures show glasses, unless ``bare``. Raises ``ValueError`` for a split other
    than ``train`` and ``test``, or a person who is none of the twelve.
    """
    if split not in PER_PERSON:
        raise ValueError(f"split {split!r} is not one of {', '.join(PER_PERSON)}")
    labels = torch.arange(PEOPLE).repeat_interleave(PER_PERSON[split])
    situations = faces.situations(generator(2017, "situations", split), len(labels))
    situations = replace(situations, scale=CROP * situations.scale)
    if bare:
        situations = replace(situations, glasses=torch.zeros_like(labels))
    if person is not None:
        chosen = labels == _known(person)
        labels, situations = labels[chosen], situations[chosen]
    people = the_twelve()[labels]
    return Album(people, situations, labels, faces.draw(people, situations, SIZE))


def the_twelve() -> faces.Identity:
    """The people whom the recogniser knows."""
    return faces.identities(generator(2017, "people"), PEOPLE)


def _known(person: int) -> int:
    if not 0 <= person < PEOPLE:
        raise ValueError(f"there is no person {person}; there are 0 to {PEOPLE - 1}")
    return person


def passport_picture(person: int) -> Album:
    """One portrait: straight on, in neutral light, with a friendly closed mouth."""
    people = the_twelve()[torch.tensor([_known(person)])]
    neutral = {name: torch.zeros(1) for name in vars(faces.situations(generator(0), 1))}
    for name, value in {
        "scale": CROP,
        "smile": 0.3,
        "eye_opening": 1.0,
        "light_elevation": 20.0,
        "light_strength": 0.5,
    }.items():
        neutral[name] = torch.tensor([value])
    neutral |= {name: torch.zeros(1, dtype=torch.long) for name in ("glasses", "background")}
    situation = faces.Situation(**neutral)
    return Album(people, situation, torch.tensor([person]), faces.draw(people, situation, SIZE))


def take_portraits(
    pictures: Float[Tensor, "n 3 size size"], generator: torch.Generator
) -> Float[Tensor, "n 3 size size"]:
    """The scenes as a hand-held camera takes them, before walls of random colours."""
    count, _, size, _ = pictures.shape
    walls = 0.3 + 0.6 * torch.rand(count, 3, 1, 1, generator=generator)
    whole = torch.ones(1, 1, size, size)
    views = sample_views(CAMERA, count, generator)
    return photograph(pictures, whole, walls.expand(-1, -1, size, size), views, generator)


def wear(
    glasses: Float[Tensor, "3 height width"],
    mask: Float[Tensor, "1 height width"],
    album: Album,
) -> Float[Tensor, "pictures 3 size size"]:
    """The album's pictures with ``glasses`` on each face, turned and lit as the face is.

    The glasses' canvas is a plane just before the eyes, as wide as twice the distance between
    them. Differentiable in ``glasses``.
    """
    size = album.pictures.shape[-1]
    shape = face_geometry.proportions(album.people, album.situations)
    u, v = face_geometry.plane_coordinates(album.situations, face_geometry.GLASSES, size)
    half_width = 2 * shape.eye_x
    half_height = half_width * glasses.shape[1] / glasses.shape[2]
    grid = torch.stack([u / half_width, (v - shape.eye_y - 0.015) / half_height], dim=-1)
    cut = torch.cat([glasses * mask, mask]).expand(len(album), -1, -1, -1)
    seen = torch.nn.functional.grid_sample(cut, grid, align_corners=False)
    lit = seen[:, :3] * faces.light(album.situations, size)
    return (lit + (1 - seen[:, 3:]) * album.pictures).clamp(0, 1)
