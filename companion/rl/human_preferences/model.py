"""Chapter 4.3, the model: rewards that explain somebody's choices (Christiano et al. 2017, 2.2.3).

A member of the ensemble gives every step a reward; a clip is worth their sum; and the better clip
is preferred with the probability that Bradley and Terry give the difference of the sums. So a
reward can be learned from choices, up to a constant and, where choices are sure, a factor.
"""

from __future__ import annotations

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

ERROR = 0.1  # the share of answers that the loss takes to be random (section 2.2.3)
SLOPE = 0.01  # of the leaky ReLU below zero (appendix A)


def preference_probability(
    first_return: Float[Tensor, "*batch"],
    second_return: Float[Tensor, "*batch"],
    error: float = ERROR,
) -> Float[Tensor, "*batch"]:
    """The probability that the first clip is preferred, from the sums of reward (equation 1).

    Bradley and Terry's sigmoid of the difference, but for a share ``error`` of answers given
    without looking: it lies between ``error / 2`` and ``1 - error / 2``.
    """
    return (1 - error) * torch.sigmoid(first_return - second_return) + error / 2


def cross_entropy(
    probability: Float[Tensor, "*batch"], preference: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Nats by which the answer surprises: mu is (1, 0), (0, 1) or (0.5, 0.5)."""
    return -(preference * probability.log() + (1 - preference) * torch.log1p(-probability))


class RewardEnsemble(nn.Module):
    """``num_members`` networks of the same shape and their own weights, computed at once.

    Observations are standardised by `see`; actions are cut to −1 … 1, as the worlds cut them. The
    weights of the member ``k`` are the entries ``k`` of each parameter.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        num_members: int = 3,
        hidden: tuple[int, ...] = (64, 64),
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        if num_members < 1:
            raise ValueError(f"{num_members} members were asked for: at least 1 is needed")
        self.num_members = num_members
        sizes = [observation_size + action_size, *hidden, 1]
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for inputs, outputs in itertools.pairwise(sizes):
            bound = 1 / math.sqrt(inputs)  # as PyTorch's linear layers begin
            for parameters, rows in ((self.weights, inputs), (self.biases, 1)):
                start = torch.rand(num_members, rows, outputs, generator=generator)
                parameters.append(nn.Parameter((2 * start - 1) * bound))
        self.register_buffer("observation_mean", torch.zeros(observation_size))
        self.register_buffer("observation_scale", torch.ones(observation_size))
        self.register_buffer("reward_mean", torch.zeros(num_members))
        self.register_buffer("reward_scale", torch.ones(num_members))

    def rewards(
        self,
        observations: Float[Tensor, "*batch observation"],
        actions: Float[Tensor, "*batch action"],
    ) -> Float[Tensor, "members *batch"]:
        """What each member gives each step, on its own scale."""
        inputs = self._inputs(observations, actions).flatten(end_dim=-2)
        each = inputs.expand(self.num_members, *inputs.shape)  # (members, steps, inputs)
        return self._forward(each).reshape(self.num_members, *observations.shape[:-1])

    def own_rewards(
        self,
        observations: Float[Tensor, "members *batch observation"],
        actions: Float[Tensor, "members *batch action"],
    ) -> Float[Tensor, "members *batch"]:
        """What each member gives the steps of its own sample."""
        inputs = self._inputs(observations, actions).flatten(1, -2)
        return self._forward(inputs).reshape(observations.shape[:-1])

    @torch.no_grad()
    def normalise(
        self,
        observations: Float[Tensor, "*batch observation"],
        actions: Float[Tensor, "*batch action"],
    ) -> None:
        """Let every member have mean 0 and standard deviation 1 on these steps, the policy's own.

        Choices leave a member's constant and factor open, so that members can be averaged only
        after this. The statistics are buffers and are saved with the weights.
        """
        rewards = self.rewards(observations, actions).flatten(1)
        self.reward_mean.copy_(rewards.mean(dim=1))
        self.reward_scale.copy_(rewards.std(dim=1).clamp_min(1e-6))

    @torch.no_grad()
    def normalised(
        self,
        observations: Float[Tensor, "*batch observation"],
        actions: Float[Tensor, "*batch action"],
    ) -> Float[Tensor, "*batch"]:
        """The reward for the policy: the mean of the members, each normalised first."""
        rewards = self.rewards(observations, actions)
        shape = (self.num_members,) + (1,) * (rewards.dim() - 1)
        return ((rewards - self.reward_mean.view(shape)) / self.reward_scale.view(shape)).mean(0)

    @torch.no_grad()
    def see(self, observations: Float[Tensor, "*batch observation"]) -> None:
        """Standardise observations by these from now on."""
        flat = observations.flatten(end_dim=-2)
        self.observation_mean.copy_(flat.mean(dim=0))
        # What hardly ever changes is not blown up.
        self.observation_scale.copy_(flat.std(dim=0).clamp_min(1e-2))

    def _inputs(self, observations: Tensor, actions: Tensor) -> Tensor:
        standard = (observations - self.observation_mean) / self.observation_scale
        return torch.cat([standard, actions.clamp(-1, 1)], dim=-1)

    def _forward(self, values: Float[Tensor, "members steps inputs"]) -> Tensor:
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = torch.baddbmm(bias, values, weight)
            if layer < len(self.weights) - 1:
                values = nn.functional.leaky_relu(values, SLOPE)
        return values.squeeze(-1)  # (members, steps)


@torch.no_grad()
def disagreement(
    ensemble: RewardEnsemble,
    first: tuple[Float[Tensor, "pairs steps observation"], Float[Tensor, "pairs steps action"]],
    second: tuple[Float[Tensor, "pairs steps observation"], Float[Tensor, "pairs steps action"]],
) -> Float[Tensor, " pairs"]:
    """The variance over members of the probability that the first is preferred (section 2.2.4)."""
    first_return = ensemble.rewards(*first).sum(dim=-1)  # (members, pairs)
    second_return = ensemble.rewards(*second).sum(dim=-1)
    return preference_probability(first_return, second_return).var(dim=0, correction=0)
