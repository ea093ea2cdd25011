"""Proximal policy optimisation, the learner of chapter 4.3 and of the chapters on control after it.

Schulman et al. (2017), "Proximal Policy Optimization Algorithms". The room reads from top to
bottom: a rollout, advantages, the clipped loss, the learner; the policy has a room of its own. The
paper's symbols: ``log_probabilities`` are log pi(a|s), ``values`` V(s), ``gae_lambda`` lambda, and
``clip`` epsilon.

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
from jaxtyping import Bool, Float
from torch import Tensor, nn

from companion.checkpoint import load_checkpoint, save_checkpoint
from companion.rl.policy import Policy, check_world, returns
from companion.seeds import generator, numpy_generator

__all__ = ["Learner", "Policy", "Rollout", "Settings", "advantages", "clipped_loss", "returns"]


@dataclass(frozen=True)
class Settings:
    """One learner. Raises ``ValueError`` naming a value that cannot be.

    A rollout is ``rollout_steps`` steps of every world; an update goes ``epochs`` times through it
    in minibatches of ``minibatch`` steps. With a ``clip`` of 0.2 an action of the rollout stops to
    count once it is 20% more or less likely than it was.
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
    """Generalised advantage estimates (eq. 11), cut at the rollout's end.

    A terminated episode has no future: the value after its last step is 0. One that was only cut
    short has, and the critic's value of its final observation stands for it. Nothing flows back
    over the end of either.
    """
    future = gamma * (1 - rollout.terminated.float())
    surprises = rollout.rewards + future * rollout.next_values - rollout.values  # delta, eq. 12
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
    """Minus the clipped objective (eq. 7).

    It gives no gradient to a good action that is already likelier by ``clip``, nor to a bad one
    already less likely by ``clip``.
    """
    ratios = (log_probabilities - old_log_probabilities).exp()  # r(theta)
    clipped = ratios.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratios * advantages, clipped * advantages).mean()


def as_one_vector(network: nn.Module) -> nn.Parameter:
    """A vector of which all weights of the network become parts, and their gradients of its own.

    Networks this small spend more time on going from weight to weight than on arithmetic.
    """
    weights = list(network.parameters())
    vector = nn.Parameter(nn.utils.parameters_to_vector(weights).detach())
    vector.grad = torch.zeros_like(vector)
    sizes = [weight.numel() for weight in weights]
    values, gradients = vector.detach().split(sizes), vector.grad.split(sizes)
    for weight, value, gradient in zip(weights, values, gradients, strict=True):
        weight.data, weight.grad = value.view_as(weight), gradient.view_as(weight)
    return vector


class Learner:
    """A policy that learns in a world: ``update(collect())``, again and again.

    Raises ``ValueError`` for a world it cannot act in (``policy.check_world``).
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
        self.weights = as_one_vector(self.policy)
        self.optimizer = torch.optim.Adam(
            [self.weights], settings.learning_rate, eps=1e-5, fused=True
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
        finals: list[np.ndarray] = []
        noise = torch.randn(actions.shape, generator=self.random)
        offsets = self.policy.log_deviation.exp() * noise
        for step in range(steps):
            observations[step] = self.observations
            actions[step] = self.policy.mean_action(self.observations) + offsets[step]
            cut = np.clip(actions[step].numpy(), space.low, space.high)
            following, gained, *ends, infos = self.world.step(cut)
            self.observations = torch.as_tensor(following, dtype=torch.float32)
            rewards[step] = torch.as_tensor(gained)
            terminated[step], truncated[step] = map(torch.as_tensor, ends)
            ended = np.logical_or(*ends)
            if ended.any():
                finals.extend(infos["final_obs"][ended])
        # The critic is asked once for all steps, not at every one.
        values = self.policy.values(torch.cat([observations, self.observations[None]]))
        next_values = values[1:].clone()
        if finals:
            next_values[terminated | truncated] = self.policy.values(np.stack(finals))
        log_probabilities = self.policy.log_probabilities(actions - offsets, actions)
        if ended.all():
            self.observations = None
        return Rollout(
            observations,
            actions,
            rewards,
            log_probabilities,
            values[:-1],
            next_values,
            terminated,
            truncated,
        )

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Improve the policy by a rollout of its own, with the rewards that stand in it.

        Returns how it went: ``explained``, the fraction of the variance of the returns that the
        critic had foreseen, and what ``compare`` says. Raises ``ValueError`` for rewards of another
        shape or not finite; nothing has been changed then.
        """
        check_rewards(rollout)
        estimates = advantages(rollout, self.settings.gamma, self.settings.gae_lambda)
        targets = estimates + rollout.values
        explained = 1 - (estimates.var() / targets.var().clamp(min=1e-12)).item()
        self.policy.return_normaliser.see(targets)
        # Over the rollout, not over each minibatch: an advantage then weighs the same in all.
        estimates = (estimates - estimates.mean()) / (estimates.std() + 1e-8)
        inputs = self.policy.normalise(rollout.observations)
        columns = [
            inputs.flatten(0, 1),
            rollout.actions.flatten(0, 1),
            rollout.log_probabilities.flatten(),
            estimates.flatten(),
            self.policy.return_normaliser(targets).flatten(),
        ]
        for _ in range(self.settings.epochs):
            order = torch.randperm(targets.numel(), generator=self.random)
            shuffled = [column[order].split(self.settings.minibatch) for column in columns]
            for minibatch in zip(*shuffled, strict=True):
                self.descend(*minibatch)
        report = {"explained": explained} | self.compare(inputs, rollout)
        # Only now: while it learned, the policy saw observations as it did when it acted.
        self.policy.observation_normaliser.see(rollout.observations)
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
        """One step down the loss (eq. 9); inputs and targets are normalised."""
        settings, policy, gradient = self.settings, self.policy, self.weights.grad
        log_probabilities = policy.log_probabilities(policy.actor(inputs), actions)
        policy_loss = clipped_loss(
            log_probabilities, old_log_probabilities, advantages, settings.clip
        )
        value_loss = nn.functional.mse_loss(policy.critic(inputs).squeeze(-1), targets)
        loss = policy_loss + settings.value_weight * value_loss
        if settings.entropy_weight:
            loss = loss - settings.entropy_weight * policy.entropy()
        gradient.zero_()
        loss.backward()
        gradient *= (settings.max_gradient_norm / (gradient.norm() + 1e-6)).clamp(max=1)
        self.optimizer.step()

    @torch.no_grad()
    def compare(self, inputs: Tensor, rollout: Rollout) -> dict[str, float]:
        """The policy now beside the one that acted, over a rollout.

        ``kl``: their divergence in nats. ``clipped``: the fraction of actions more or less likely
        by more than the clip. ``deviation``: the mean standard deviation of the actions now.
        """
        now = self.policy.log_probabilities(self.policy.actor(inputs), rollout.actions)
        change = now - rollout.log_probabilities
        return {
            "kl": (change.expm1() - change).mean().item(),
            "clipped": (change.expm1().abs() > self.settings.clip).float().mean().item(),
            "deviation": self.policy.log_deviation.exp().mean().item(),
        }

    def save(self, path: Path, history: Mapping[str, list[float]] | None = None) -> None:
        """Keep all that learning needs to go on, and curves so far by name.

        The world cannot be kept: after ``save`` as after ``load`` the next rollout begins new
        episodes, the same ones. Where rollouts end with episodes, it would have in any case.
        """
        save_checkpoint(
            path,
            model=self.policy,
            optimizer=self.optimizer,
            step=self.updates,
            generators={"learner": self.random},
            history=history or {},
        )
        self.observations = None

    def load(self, path: Path) -> dict[str, list[float]]:
        """Go on from where ``save`` was called; the curves so far.

        Raises ``CheckpointError`` for a file that is damaged or of another learner.
        """
        self.updates, history = load_checkpoint(
            path, model=self.policy, optimizer=self.optimizer, generators={"learner": self.random}
        )
        self.observations = None
        return history


def check_rewards(rollout: Rollout) -> None:
    """Raise ``ValueError`` for rewards that nothing can be learned from."""
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
