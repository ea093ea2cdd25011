"""Chapter 3.9, what is shipped: the two generators between drawn horses and zebras.

``python -m companion.vision.cyclegan.shipped --device cuda --out FILE`` trains them with seed 0, in
minutes on a graphics card and over an hour without, and goes on where it was interrupted.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from companion.checkpoint import load_weights, save_weights
from companion.live import round_weights
from companion.size import device
from companion.vision.cyclegan.data import Unpaired, picture_errors
from companion.vision.cyclegan.horses import Pictures, Scenes, draw, load_horses, scenes_of
from companion.vision.cyclegan.model import Architecture, resnet_generator, translate
from companion.vision.cyclegan.train import Settings, Weights, train

WEIGHTS = Path(__file__).with_name("weights.safetensors")
SEED = 0
SCORED = 100  # test pictures of either domain that the recorded scores are of, the first

# As many blocks as two generators may have that a page can load. The identity loss is the paper's
# for paintings: without it day turns into dusk, since neither a cycle nor a judge objects.
# The rate was chosen among 2e-4, 5e-4 and 1e-3 by the errors on validation scenes.
SETTINGS = Settings(
    Architecture(width=24, num_blocks=5, discriminator_width=32, receptive_field=34),
    steps=5000,
    minutes=80,  # on one core
    weights=Weights(identity=5.0),
    batch_size=4,
    learning_rate=1e-3,
)


def train_shipped(
    path: Path = WEIGHTS,
    where: torch.device | str = "cpu",
    settings: Settings = SETTINGS,
    unpaired: Unpaired | None = None,
) -> None:
    """Train on ``unpaired``, by default the training horses and zebras, and save both generators.

    They are rounded to half precision; how they were trained and the scores of `held_out_scores`,
    measured after rounding, stand beside them. A checkpoint is kept next to ``path`` until then.
    """
    unpaired = load_horses("train") if unpaired is None else unpaired
    checkpoint = path.with_name(f"{path.stem}.checkpoint.safetensors")
    networks, _ = train(unpaired, settings, SEED, checkpoint, where, label="horses and zebras")
    both = nn.ModuleDict({"a_to_b": networks.a_to_b, "b_to_a": networks.b_to_a})
    round_weights(both.to("cpu").eval())
    scores = held_out_scores(both["a_to_b"], both["b_to_a"])
    recorded = {name: f"{score:.2f}" for name, score in scores.items()}
    recorded |= {"settings": json.dumps(dataclasses.asdict(settings)), "seed": str(SEED)}
    save_weights(path, {name: part.half() for name, part in both.state_dict().items()}, recorded)
    checkpoint.unlink(missing_ok=True)


def load_shipped(path: Path = WEIGHTS) -> tuple[nn.Sequential, nn.Sequential]:
    """The generators from horses to zebras and from zebras to horses, in evaluation mode.

    Raises ``CheckpointError`` for a missing or damaged file.
    """
    state, recorded = load_weights(path)
    architecture = Architecture(**json.loads(recorded["settings"])["architecture"])
    sizes = (architecture.channels, architecture.width, architecture.num_blocks)
    both = nn.ModuleDict({name: resnet_generator(*sizes) for name in ("a_to_b", "b_to_a")})
    both.load_state_dict({name: part.float() for name, part in state.items()})
    both.eval()
    return both["a_to_b"], both["b_to_a"]


# --- scores ------------------------------------------------------------------------------------


def partners_of(scenes: Scenes) -> Scenes:
    """The same scenes with a zebra in the place of each horse, and a horse in that of each zebra.

    A zebra's partner has the coat and marks that its scene drew and a zebra does not show.
    """
    return dataclasses.replace(scenes, zebra=~scenes.zebra)


def animal_mask(pictures: Pictures, partners: Pictures) -> Float[Tensor, "n 1 height width"]:
    """The share of each pixel that shows the animal in either: their manes and tails differ."""
    return torch.maximum(pictures.animal, partners.animal)


def whole(mask: Float[Tensor, "n 1 height width"]) -> Float[Tensor, "n 1 height width"]:
    """1 where a mask has all of a pixel, 0 elsewhere: no edge has a contrast of its own."""
    return (mask > 0.99).float()


def contrast(
    images: Float[Tensor, "n 3 height width"], where: Float[Tensor, "n 1 height width"]
) -> float:
    """How much the brightness of neighbouring pixels differs where both count, in percent.

    Stripes raise it, whatever their direction; a change of colour alone does not.
    """
    brightness = images.mean(dim=1, keepdim=True) / 2
    found, weight = 0.0, 0.0
    for side in (2, 3):
        length = images.shape[side] - 1
        both = where.narrow(side, 1, length) * where.narrow(side, 0, length)
        found += (brightness.diff(dim=side).abs() * both).sum().item()
        weight += both.sum().item()
    return 100 * found / weight if weight else float("nan")


def held_out_scores(a_to_b: nn.Sequential, b_to_a: nn.Sequential) -> dict[str, float]:
    """Errors and contrasts over the first `SCORED` of the test set, in percent of black to white.

    For either direction: the mean absolute error of the translation against the true partner, on
    the animal and beside it, and its contrast on the animal; the same of a copy, which translates
    nothing; the true partners' contrast; and the error of the picture translated there and back.

    On the animal the error says little: no network can know where the first stripe is, and stripes
    a little further along are as wrong as none. The contrast does not depend on where they are.
    """
    scores = {}
    kinds = ("horses", a_to_b, b_to_a), ("zebras", b_to_a, a_to_b)
    for scenes, (name, there, back) in zip(scenes_of("test"), kinds, strict=True):
        some = scenes[:SCORED]
        pictures, partners = draw(some), draw(partners_of(some))
        translated = translate(there, pictures.images)
        answers = {"translated": translated, "copied": pictures.images}
        animal, inside = animal_mask(pictures, partners), whole(pictures.animal * partners.animal)
        for answer, images in answers.items():
            for place, where in (("on the animal", animal), ("beside it", 1 - animal)):
                errors = picture_errors(images, partners.images, where)
                scores[f"{name} {answer}, {place}"] = 100 * errors.mean().item()
            scores[f"{name} {answer}, contrast"] = contrast(images, inside)
        scores[f"{name} partner, contrast"] = contrast(partners.images, inside)
        again = picture_errors(translate(back, translated), pictures.images)
        scores[f"{name} there and back"] = 100 * again.mean().item()
    return scores


def main(arguments: list[str] | None = None) -> None:
    """The command of this module."""
    parser = argparse.ArgumentParser(prog="python -m companion.vision.cyclegan.shipped")
    parser.add_argument("--device", default=device(), help="cpu, or cuda where there is one")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="where the weights go")
    chosen = parser.parse_args(arguments)
    train_shipped(chosen.out, chosen.device)
    _, recorded = load_weights(chosen.out)
    for name, value in recorded.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
