"""Chapter 3.9, pool: past translations that the discriminators are shown again (section 4)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Pool(nn.Module):
    """At most ``capacity`` past translations, in the paper 50 (after Shrivastava et al. 2017).

    A module without parameters, so that what it holds is saved and restored with a checkpoint. A
    pool of ``capacity`` 0 gives back what it gets.
    """

    def __init__(self, capacity: int, picture_shape: tuple[int, int, int]):
        super().__init__()
        if capacity < 0:
            raise ValueError(f"a pool holds 0 pictures or more, got a capacity of {capacity}")
        self.register_buffer("pictures", torch.zeros(capacity, *picture_shape))
        self.register_buffer("filled", torch.tensor(0))

    def exchange(
        self, pictures: Float[Tensor, "batch channels height width"], generator: torch.Generator
    ) -> Float[Tensor, "batch channels height width"]:
        """As many pictures, each new or one from the past; none carries a gradient.

        Until the pool is full each picture is kept and given back. After that, with probability
        1/2, a picture takes the place of one drawn from the pool, which is given instead of it.
        """
        given = pictures.detach().clone()
        capacity = len(self.pictures)
        for index in range(len(given) if capacity else 0):
            if self.filled < capacity:
                self.pictures[self.filled] = given[index]
                self.filled += 1
            elif torch.rand((), generator=generator) < 0.5:
                place = torch.randint(capacity, (), generator=generator)
                past = self.pictures[place].clone()
                self.pictures[place] = given[index]
                given[index] = past
        return given
