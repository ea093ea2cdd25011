"""Proximal policy optimisation, the learner of chapter 4.3 and of the chapters on control after it.

Schulman et al. (2017), "Proximal Policy Optimization Algorithms". The room reads from top to
bottom: the policy and what it normalises, a rollout, advantages, the clipped loss, the learner,
and how a policy is scored. Symbols: ``log_probabilities`` are log pi(a|s), ``values`` V(s),
``gamma`` and ``gae_lambda`` the two discounts of advantage estimation, ``clip`` is epsilon.

A world is a ``gymnasium.vector.VectorEnv`` that begins a new episode within the step that ends the
old one (``AutoresetMode.SAME_STEP``).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from jaxtyping import Bool, Float
from torch import Tensor, nn

from companion.checkpoint import load_checkpoint, save_checkpoint
from companion.seeds import generator, numpy_generator

LARGEST_INPUT = 10.0  # standard deviations; a first jump past all that was seen is cut to this


@dataclass(frozen=True)
class Settings:
    """One learner. Raises ``ValueError`` naming a value that cannot be.

    A rollout is ``rollout_steps`` steps of every world; an update goes ``epochs`` times through it
    in minibatches of ``minibatch`` steps. A ``clip`` of 0.2 lets a rollout's actions become at
    most 20% more or less likely before they stop to count.
    """

    rollout_steps: int = 100
    epochs: int = 10
    minibatch: int = 256
    learning_rate: float = 3e-4
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy_weight: float = 0.0
    value_weight: float = 0.5
    max_gradient_norm: float = 0.5
    hidden: tuple[int, ...] = (64, 64)

    def __post_init__(self) -> None:
        for name in ("rollout_steps", "epochs", "minibatch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: at least 1 is needed")
        for name in ("learning_rate", "clip", "max_gradient_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}: give a number above 0")
        for name in ("entropy_weight", "value_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}: give 0 or a number above")
        for name in ("gamma", "gae_lambda"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: give a number from 0 to 1")
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden is {self.hidden}: give the width of at least one layer")


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
    for index, (inputs, outputs) in enumerate(zip(sizes, sizes[1:], strict=False)):
        linear = nn.utils.skip_init(nn.Linear, inputs, outputs)
        last = index == len(sizes) - 2
        nn.init.orthogonal_(linear.weight, last_gain if last else math.sqrt(2), generator=random)
        nn.init.zeros_(linear.bias)
        layers += [linear] if last else [linear, nn.Tanh()]
    return nn.Sequential(*layers)


class Policy(nn.Module):
    """A Gaussian policy whose spread does not depend on the state, and its critic.

    Actions are unbounded: the learner cuts them to the world's bounds only as it hands them over,
    and a probability is that of the action before the cut. Observations may be arrays or tensors,
    of shape ``(*batch, observation)``. Weights are drawn from ``random``, by PyTorch's global
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
        self.observations = Normaliser(observation_size)
        self.returns = Normaliser()  # the critic learns and answers in these units
        # Small last weights: the first actions are noise around 0, whatever is observed.
        self.actor = multilayer_perceptron((observation_size, *hidden, action_size), 0.01, random)
        self.critic = multilayer_perceptron((observation_size, *hidden, 1), 1.0, random)
        self.log_deviation = nn.Parameter(torch.zeros(action_size))

    def normalise(self, observations: Float[np.ndarray | Tensor, "*batch observation"]) -> Tensor:
        """What the two networks see."""
        return self.observations(torch.as_tensor(observations, dtype=torch.float32))

    def mean_action(self, observations: Float[np.ndarray | Tensor, "*batch observation"]) -> Tensor:
        """The likeliest actions ``(*batch, action)``."""
        return self.actor(self.normalise(observations))

    def act(
        self,
        observations: Float[np.ndarray | Tensor, "*batch observation"],
        random: torch.Generator,
    ) -> Tensor:
        """Actions ``(*batch, action)`` drawn from the policy."""
        means = self.mean_action(observations)
        noise = torch.randn(means.shape, generator=random)
        return means + self.log_deviation.exp() * noise

    def values(self, observations: Float[np.ndarray | Tensor, "*batch observation"]) -> Tensor:
        """The discounted rewards ``(*batch,)`` that the critic expects from here on."""
        return self.returns.undo(self.critic(self.normalise(observations)).squeeze(-1))

    def log_probabilities(
        self, means: Float[Tensor, "*batch action"], actions: Float[Tensor, "*batch action"]
    ) -> Float[Tensor, "*batch"]:
        """Log-densities of the actions, given the means for their observations."""
        # Written out: torch.distributions checks and broadcasts at every call.
        standardised = (actions - means) * (-self.log_deviation).exp()
        constants = self.log_deviation.sum() + actions.shape[-1] * math.log(2 * math.pi) / 2
        return -standardised.square().sum(dim=-1) / 2 - constants

    def entropy(self) -> Float[Tensor, ""]:
        """Of the actions in any one state, in nats."""
        return (self.log_deviation + math.log(2 * math.pi * math.e) / 2).sum()


@dataclass
class Rollout:
    """What happened in some steps of all worlds: tensors ``(steps, worlds, …)``.

    ``next_values`` are the critic's for the observation after each step, before any new episode:
    where one ended, for its final observation. A caller may put other ``rewards`` in their place.
    """

    observations: Float[Tensor, "steps worlds observation"]
    actions: Float[Tensor, "steps worlds action"]
    rewards: Float[Tensor, "steps worlds"]
    log_probabilities: Float[Tensor, "steps worlds"]
    values: Float[Tensor, "steps worlds"]
    next_values: Float[Tensor, "steps worlds"]
    terminated: Bool[Tensor, "steps worlds"]
    truncated: Bool[Tensor, "steps worlds"]


def advantages(rollout: Rollout, gamma: float, gae_lambda: float) -> Float[Tensor, "steps worlds"]:
    """Generalised advantage estimates (Schulman et al. 2015, eq. 16), cut at the rollout's end.

    A terminated episode has no future: its last step's next value is 0. One that was only cut
    short has, and the critic's value of its final observation stands for it. Nothing flows back
    over the end of either.
    """
    alive = 1 - rollout.terminated.float()
    surprises = rollout.rewards + gamma * alive * rollout.next_values - rollout.values  # delta
    ended = rollout.terminated | rollout.truncated
    carried = gamma * gae_lambda * (1 - ended.float())
    estimates = torch.empty_like(surprises)
    later = torch.zeros_like(surprises[0])
    for step in reversed(range(len(surprises))):
        later = surprises[step] + carried[step] * later
        estimates[step] = later
    return estimates


def clipped_loss(
    log_probabilities: Float[Tensor, " batch"],
    old_log_probabilities: Float[Tensor, " batch"],
    advantages: Float[Tensor, " batch"],
    clip: float,
) -> Float[Tensor, ""]:
    """Minus the clipped objective (Schulman et al. 2017, eq. 7).

    It gives no gradient to an action that is already likelier by ``clip`` and was good, nor to one
    already less likely by ``clip`` that was bad.
    """
    ratios = (log_probabilities - old_log_probabilities).exp()  # r(theta)
    clipped = ratios.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratios * advantages, clipped * advantages).mean()


class Learner:
    """A policy that learns in a world: ``update(collect())``, again and again.

    Raises ``ValueError`` for a world whose spaces are not boxes of numbers in a row, or that does
    not begin new episodes within the step that ends the old.
    """

    def __init__(self, world: gym.vector.VectorEnv, settings: Settings, seed: int):
        check_world(world)
        self.world, self.settings, self.seed = world, settings, seed
        self.policy = Policy(
            *world.single_observation_space.shape,
            *world.single_action_space.shape,
            settings.hidden,
            generator(seed, "policy"),
        )
        self.optimizer = torch.optim.Adam(
            self.policy.parameters(), settings.learning_rate, eps=1e-5, fused=True
        )
        self.random = generator(seed, "actions and minibatches")
        self.updates = 0
        self.observations: Tensor | None = None  # None: the next rollout begins new episodes

    def begin(self) -> None:
        """Begin new episodes, drawn by the seed and the number of updates made."""
        seed = numpy_generator(self.seed, "world", str(self.updates)).integers(2**31)
        observations, _ = self.world.reset(seed=int(seed))
        self.observations = torch.as_tensor(observations, dtype=torch.float32)

    @torch.no_grad()
    def collect(self) -> Rollout:
        """Act for ``rollout_steps`` steps in every world."""
        if self.observations is None:
            self.begin()
        steps, worlds = self.settings.rollout_steps, self.world.num_envs
        space = self.world.single_action_space
        observations = torch.empty(steps, *self.observations.shape)
        actions = torch.empty(steps, worlds, *space.shape)
        rewards = torch.empty(steps, worlds)
        terminated, truncated = torch.empty(2, steps, worlds, dtype=torch.bool)
        finals: list[Tensor] = []
        noise = torch.randn(actions.shape, generator=self.random)
        spread = self.policy.log_deviation.exp() * noise
        for step in range(steps):
            observations[step] = self.observations
            torch.add(self.policy.mean_action(self.observations), spread[step], out=actions[step])
            within = np.clip(actions[step].numpy(), space.low, space.high)
            following, reward, terminal, cut, infos = self.world.step(within)
            self.observations = torch.as_tensor(following, dtype=torch.float32)
            rewards[step] = torch.as_tensor(reward)
            terminated[step], truncated[step] = torch.as_tensor(terminal), torch.as_tensor(cut)
            ended = terminal | cut
            if ended.any():
                finals.append(torch.as_tensor(np.stack(infos["final_obs"][ended])))
        # The critic is asked once for all steps, not at every one.
        values = self.policy.values(torch.cat([observations, self.observations[None]]))
        next_values = values[1:].clone()
        if finals:
            next_values[terminated | truncated] = self.policy.values(torch.cat(finals))
        if ended.all():
            self.observations = None
        constants = self.policy.log_deviation + math.log(2 * math.pi) / 2
        return Rollout(
            observations,
            actions,
            rewards,
            -(noise.square() / 2 + constants).sum(dim=-1),
            values[:-1],
            next_values,
            terminated,
            truncated,
        )

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Improve the policy by a rollout of its own, with the rewards that stand in it.

        Returns how it went, over the whole rollout: ``kl``, the divergence from the policy before,
        in nats; ``clipped``, the fraction of actions at the clip; ``explained``, the fraction of
        the variance of the returns that the critic had foreseen; ``deviation``, the mean standard
        deviation of the actions. Raises ``ValueError`` for rewards of another shape or not finite;
        nothing has been changed then.
        """
        check_rewards(rollout)
        settings, policy = self.settings, self.policy
        estimates = advantages(rollout, settings.gamma, settings.gae_lambda)
        targets = estimates + rollout.values
        explained = 1 - (estimates.var() / targets.var().clamp(min=1e-12)).item()
        policy.returns.see(targets)
        # Over the rollout, not over each minibatch: an advantage then weighs the same in every
        # minibatch, however small.
        estimates = (estimates - estimates.mean()) / (estimates.std() + 1e-8)
        # All that minibatches are cut from. The statistics stand still meanwhile, so that the
        # first minibatch finds the very policy that acted.
        columns = [
            policy.normalise(rollout.observations),
            rollout.actions,
            rollout.log_probabilities,
            estimates,
            policy.returns(targets),
        ]
        columns = [column.flatten(0, 1) for column in columns]
        for _ in range(settings.epochs):
            order = torch.randperm(len(columns[0]), generator=self.random)
            shuffled = [column[order].split(settings.minibatch) for column in columns]
            for minibatch in zip(*shuffled, strict=True):
                self.descend(*minibatch)
        with torch.no_grad():
            now = policy.log_probabilities(policy.actor(columns[0]), columns[1])
            change = now - columns[2]
            report = {
                "kl": (change.expm1() - change).mean().item(),
                "clipped": ((change.exp() - 1).abs() > settings.clip).float().mean().item(),
                "explained": explained,
                "deviation": policy.log_deviation.exp().mean().item(),
            }
        policy.observations.see(rollout.observations)
        self.updates += 1
        return report

    def descend(
        self,
        inputs: Float[Tensor, "batch observation"],
        actions: Float[Tensor, "batch action"],
        old_log_probabilities: Float[Tensor, " batch"],
        advantages: Float[Tensor, " batch"],
        targets: Float[Tensor, " batch"],
    ) -> None:
        """One step of gradient descent; inputs and targets are normalised."""
        settings, policy = self.settings, self.policy
        log_probabilities = policy.log_probabilities(policy.actor(inputs), actions)
        policy_loss = clipped_loss(
            log_probabilities, old_log_probabilities, advantages, settings.clip
        )
        value_loss = nn.functional.mse_loss(policy.critic(inputs).squeeze(-1), targets)
        loss = policy_loss + settings.value_weight * value_loss
        loss = loss - settings.entropy_weight * policy.entropy()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(policy.parameters(), settings.max_gradient_norm)
        self.optimizer.step()

    def save(self, path: Path, history: Mapping[str, list[float]] | None = None) -> None:
        """Keep all that learning needs to go on.

        A world cannot be kept: here as after ``load``, the next rollout begins new episodes, the
        same in both. Where rollouts are whole episodes it would have in any case.
        """
        save_checkpoint(
            path,
            model=self.policy,
            optimizer=self.optimizer,
            step=self.updates,
            generators={"policy": self.random},
            history=history or {},
        )
        self.observations = None

    def load(self, path: Path) -> dict[str, list[float]]:
        """Go on from where ``save`` was called; its history.

        Raises ``CheckpointError`` for a file that is damaged or of another learner.
        """
        self.updates, history = load_checkpoint(
            path, model=self.policy, optimizer=self.optimizer, generators={"policy": self.random}
        )
        self.observations = None
        return history


def check_world(world: gym.vector.VectorEnv) -> None:
    """Raise ``ValueError`` for a world that the learner cannot act in."""
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


def check_rewards(rollout: Rollout) -> None:
    """Raise ``ValueError`` for rewards that the learner cannot learn from."""
    if rollout.rewards.shape != rollout.values.shape:
        raise ValueError(
            f"rewards of shape {tuple(rollout.rewards.shape)} for a rollout of shape "
            f"{tuple(rollout.values.shape)}: give one for each step of each world"
        )
    wrong = int((~torch.isfinite(rollout.rewards)).sum())
    if wrong:
        raise ValueError(
            f"{wrong} of {rollout.rewards.numel()} rewards are not finite: look at the model or "
            "the world they come from before going on"
        )


@torch.no_grad()
def returns(
    world: gym.vector.VectorEnv, policy: Policy, episodes: int, seed: int, sampled: bool = False
) -> Float[np.ndarray, " episodes"]:
    """The undiscounted returns of whole episodes, as many in each world.

    The policy takes its mean action, or draws one when ``sampled``. Raises ``ValueError`` when the
    episodes cannot be dealt evenly: the first to end would be the short ones.
    """
    if episodes < 1 or episodes % world.num_envs:
        raise ValueError(
            f"{episodes} episodes cannot be dealt to {world.num_envs} worlds: ask for a multiple"
        )
    check_world(world)
    space = world.single_action_space
    random = generator(seed, "evaluation")
    observations, _ = world.reset(seed=seed)
    sums: list[list[float]] = [[] for _ in range(world.num_envs)]
    running = np.zeros(world.num_envs)
    while min(map(len, sums)) < episodes // world.num_envs:
        actions = policy.act(observations, random) if sampled else policy.mean_action(observations)
        observations, rewards, terminated, truncated, _ = world.step(
            np.clip(actions.numpy(), space.low, space.high)
        )
        running += rewards
        for index in np.flatnonzero(terminated | truncated):
            sums[index].append(running[index])
            running[index] = 0
    return np.array([each[: episodes // world.num_envs] for each in sums]).ravel()
