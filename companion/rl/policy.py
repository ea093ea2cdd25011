"""What acts: a Gaussian policy with its critic, what it normalises by, and how it is scored.

Chapter 4.3 and the chapters on control after it use this room; ``ppo`` beside it is how such a
policy learns.
"""

import itertools
import math

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from jaxtyping import Float
from torch import Tensor, nn

from companion.seeds import generator

LARGEST_INPUT = 10.0  # standard deviations; what jumps past all that was seen is cut to this

Array = np.ndarray | Tensor


class Normaliser(nn.Module):
    """Shifts and scales to mean 0 and variance 1, by what was seen so far.

    Mean and variance are buffers: they are saved with the weights, which mean nothing without them.
    They change in ``see`` alone. Until then nothing is shifted or scaled.
    """

    def __init__(self, *shape: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("variance", torch.ones(shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def see(self, batch: Float[Tensor, "*batch size"]) -> None:
        """Add a batch to the statistics (Chan et al.'s rule for two samples' moments)."""
        batch = batch.reshape(-1, *self.mean.shape).double()
        total = self.count + len(batch)
        shift = batch.mean(dim=0) - self.mean
        squares = self.count * self.variance + len(batch) * batch.var(dim=0, correction=0)
        squares = squares + shift**2 * self.count * len(batch) / total
        self.mean += shift * len(batch) / total
        self.variance.copy_(squares / total)
        self.count.copy_(total)

    @property
    def deviation(self) -> Tensor:
        """The standard deviation, kept from 0."""
        return (self.variance + 1e-8).sqrt()

    def forward(self, values: Float[Tensor, "*batch size"]) -> Float[Tensor, "*batch size"]:
        """The values in standard deviations from the mean, cut at ten."""
        return ((values - self.mean) / self.deviation).clamp(-LARGEST_INPUT, LARGEST_INPUT)

    def undo(self, normalised: Tensor) -> Tensor:
        """What ``forward`` made these of."""
        return normalised * self.deviation + self.mean


def multilayer_perceptron(
    sizes: tuple[int, ...], last_gain: float, random: torch.Generator | None
) -> nn.Sequential:
    """Linear layers with tanh between them; orthogonal weights, biases of 0."""
    layers: list[nn.Module] = []
    gains = [math.sqrt(2)] * (len(sizes) - 2) + [last_gain]
    for (inputs, outputs), gain in zip(itertools.pairwise(sizes), gains, strict=True):
        linear = nn.utils.skip_init(nn.Linear, inputs, outputs)
        nn.init.orthogonal_(linear.weight, gain, generator=random)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class Policy(nn.Module):
    """A Gaussian policy whose spread does not depend on the state, and its critic.

    Actions are unbounded. They are cut to the world's bounds only as they are handed over; a
    probability is that of the action before the cut. Observations may be arrays or tensors, of
    shape ``(*batch, observation)``. Weights are drawn from ``random``, by PyTorch's global
    generator without one.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        hidden: tuple[int, ...] = (64, 64),
        random: torch.Generator | None = None,
    ):
        super().__init__()
        self.observation_normaliser = Normaliser(observation_size)
        self.return_normaliser = Normaliser()  # the critic learns in these units
        # Small last weights: the first actions are noise around 0, whatever is observed.
        self.actor = multilayer_perceptron((observation_size, *hidden, action_size), 0.01, random)
        self.critic = multilayer_perceptron((observation_size, *hidden, 1), 1.0, random)
        self.log_deviation = nn.Parameter(torch.zeros(action_size))

    def normalise(self, observations: Float[Array, "*batch observation"]) -> Tensor:
        """What the two networks see."""
        return self.observation_normaliser(torch.as_tensor(observations, dtype=torch.float32))

    def mean_action(self, observations: Float[Array, "*batch observation"]) -> Tensor:
        """The likeliest actions ``(*batch, action)``."""
        return self.actor(self.normalise(observations))

    def act(
        self, observations: Float[Array, "*batch observation"], random: torch.Generator
    ) -> Tensor:
        """Actions ``(*batch, action)`` drawn from the policy."""
        means = self.mean_action(observations)
        return means + self.log_deviation.exp() * torch.randn(means.shape, generator=random)

    def values(self, observations: Float[Array, "*batch observation"]) -> Tensor:
        """The discounted rewards ``(*batch,)`` that the critic expects from here on."""
        return self.return_normaliser.undo(self.critic(self.normalise(observations)).squeeze(-1))

    def log_probabilities(
        self, means: Float[Tensor, "*batch action"], actions: Float[Tensor, "*batch action"]
    ) -> Float[Tensor, "*batch"]:
        """Log-densities of the actions, given the means for their observations."""
        # Written out: torch.distributions checks and broadcasts at every call.
        standardised = (actions - means) * (-self.log_deviation).exp()
        constant = self.log_deviation.sum() + means.shape[-1] * math.log(2 * math.pi) / 2
        return -standardised.square().sum(dim=-1) / 2 - constant

    def entropy(self) -> Float[Tensor, ""]:
        """Of the actions in any one state, in nats."""
        return (self.log_deviation + math.log(2 * math.pi * math.e) / 2).sum()


def check_world(world: gym.vector.VectorEnv) -> None:
    """Raise ``ValueError`` for a world in which a policy cannot act, or whose episodes hide ends.

    Spaces must be boxes of numbers in a row, and the step that ends an episode must begin the next.
    """
    for name in ("single_observation_space", "single_action_space"):
        space = getattr(world, name)
        if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
            raise ValueError(f"the world's {name} is {space}: a Box of one axis is needed")
    mode = world.metadata.get("autoreset_mode")
    if mode != AutoresetMode.SAME_STEP:
        raise ValueError(
            f"the world's autoreset mode is {mode}: build it with gymnasium.make_vec(…, "
            'vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP})'
        )


@torch.no_grad()
def returns(
    world: gym.vector.VectorEnv, policy: Policy, episodes: int, seed: int, sampled: bool = False
) -> Float[np.ndarray, " episodes"]:
    """The undiscounted returns of whole episodes, as many in each world.

    The policy takes its mean action, or draws one when ``sampled``. Raises ``ValueError`` when the
    episodes cannot be dealt evenly, since the first to end would be the short ones.
    """
    if episodes < 1 or episodes % world.num_envs:
        raise ValueError(
            f"{episodes} episodes cannot be dealt to {world.num_envs} worlds: ask for a multiple"
        )
    check_world(world)
    space, random = world.single_action_space, generator(seed, "evaluation")
    observations, _ = world.reset(seed=seed)
    finished: list[list[float]] = [[] for _ in range(world.num_envs)]
    running = np.zeros(world.num_envs)
    while min(map(len, finished)) < episodes // world.num_envs:
        actions = policy.act(observations, random) if sampled else policy.mean_action(observations)
        observations, rewards, terminated, truncated, _ = world.step(
            np.clip(actions.numpy(), space.low, space.high)
        )
        running += rewards
        for index in np.flatnonzero(terminated | truncated):
            finished[index].append(running[index])
            running[index] = 0
    return np.array([each[: episodes // world.num_envs] for each in finished]).ravel()
