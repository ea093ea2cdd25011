"""Chapter 2.1, generation: one sample after the other, naively and with cached layers.

Both ways draw the same samples from the same noise. Naively every sample costs a pass over the
whole receptive field. The cached way (Paine et al. 2016) keeps, for each layer, a queue of the
inputs that the layer will need again: as many as its dilation. A sample then costs one small step
a layer, however far the receptive field reaches.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from companion.speech.wavenet.data import SILENT_CODE
from companion.speech.wavenet.model import Layer, WaveNet, check_inputs


def draw(
    logits: Float[Tensor, "batch codes"], noise: Float[Tensor, " batch"], temperature: float
) -> Int64[Tensor, " batch"]:
    """The code at which the running sum of softmax(logits / temperature) passes the noise."""
    running = (logits / temperature).softmax(dim=-1).cumsum(dim=-1)
    # Rounding may leave the last sum a little below 1, hence the clamp.
    return (running <= noise[:, None]).sum(dim=-1).clamp(max=logits.shape[-1] - 1)


@torch.inference_mode()
def generate_naive(
    model: WaveNet,
    speakers: Int64[Tensor, " batch"],
    phonemes: Int64[Tensor, "batch time"],
    noise: Float[Tensor, "batch time"],
    temperature: float = 1.0,
) -> Int64[Tensor, "batch time"]:
    """Codes for every entry of ``phonemes``; ``noise`` is uniform in [0, 1).

    Raises ``ValueError`` as `check_generation` does.
    """
    check_generation(model, speakers, phonemes, noise, temperature)
    model.eval()
    codes = torch.full_like(phonemes, SILENT_CODE)
    previous = torch.full_like(phonemes, SILENT_CODE)
    for step in range(phonemes.shape[1]):
        window = slice(max(0, step + 1 - model.receptive_field), step + 1)
        logits = model(previous[:, window], speakers, phonemes[:, window])[:, :, -1]
        codes[:, step] = draw(logits, noise[:, step], temperature)
        if step + 1 < phonemes.shape[1]:
            previous[:, step + 1] = codes[:, step]
    return codes


@torch.inference_mode()
def generate_cached(
    model: WaveNet,
    speakers: Int64[Tensor, " batch"],
    phonemes: Int64[Tensor, "batch time"],
    noise: Float[Tensor, "batch time"],
    temperature: float = 1.0,
) -> Int64[Tensor, "batch time"]:
    """The codes of `generate_naive`, at a cost a sample that the receptive field has no part in.

    Raises ``ValueError`` as `check_generation` does.
    """
    check_generation(model, speakers, phonemes, noise, temperature)
    model.eval()
    network = CachedNetwork(model, speakers)
    codes = torch.empty_like(phonemes)
    previous = torch.full_like(speakers, SILENT_CODE)
    for step in range(phonemes.shape[1]):
        logits = network.step(previous, phonemes[:, step])
        previous = draw(logits, noise[:, step], temperature)
        codes[:, step] = previous
    return codes


def check_generation(
    model: WaveNet,
    speakers: Int64[Tensor, " batch"],
    phonemes: Int64[Tensor, "batch time"],
    noise: Float[Tensor, "batch time"],
    temperature: float,
) -> None:
    """Raise ``ValueError`` for a temperature of 0 or less, for noise that does not fit or lies
    outside [0, 1), and for speakers or phonemes that do not exist."""
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    if noise.shape != phonemes.shape or (noise.numel() and not 0 <= noise.min() <= noise.max() < 1):
        raise ValueError(
            f"noise must be uniform in [0, 1) and of shape {tuple(phonemes.shape)}, one number a "
            f"sample; got shape {tuple(noise.shape)}"
        )
    check_inputs(model.architecture, torch.zeros_like(phonemes), speakers, phonemes)


class CachedNetwork:
    """A WaveNet that takes one sample at a time, for a fixed batch of speakers.

    It does what `WaveNet.forward` does with fewer, larger operations, since at these sizes a step
    is bound by the number of operations: both taps of a convolution are one product; tanh and
    sigmoid are one tanh, as sigmoid(x) = (tanh(x / 2) + 1) / 2; and all layers' skip outputs are
    one product at the end. A constant column of ones carries the biases.
    """

    def __init__(self, model: WaveNet, speakers: Int64[Tensor, " batch"]):
        self.embedding = model.embedding.weight.detach()
        self.gated = model.architecture.gated
        self.layers = list(model.layers)
        batch, channels = len(speakers), model.architecture.residual_channels
        count = len(self.layers)
        like = self.embedding.new_zeros
        self.filters = [self._filter(layer) for layer in self.layers]
        self.conditions = torch.stack([self._condition(layer, speakers) for layer in self.layers])
        self.residuals = [self._with_bias(layer.residual) for layer in self.layers]
        self.skips = torch.cat([self._with_bias(layer.skip) for layer in self.layers])
        self.hidden = model.hidden.weight.detach()[:, :, 0].T, model.hidden.bias.detach()
        self.output = model.output.weight.detach()[:, :, 0].T, model.output.bias.detach()
        self.rows = torch.arange(batch, device=speakers.device)
        self.filtered = like(batch, self.filters[0].shape[1])
        self.activated = like(batch, count, channels + 1)
        self.activated[:, :, -1] = 1
        # Slot t % dilation of a queue holds, side by side, the input of dilation steps ago and the
        # input of now. The views are made once: slicing costs as much as the arithmetic.
        queues = [like(layer.dilation, batch, 2 * channels) for layer in self.layers]
        self.taps = [list(queue.unbind()) for queue in queues]
        self.past = [[slot[:, :channels] for slot in slots] for slots in self.taps]
        self.now = [[slot[:, channels:] for slot in slots] for slots in self.taps]
        self.last = like(batch, channels)  # the top layer's residual output, which nobody reads
        self.time = 0

    def step(
        self, previous: Int64[Tensor, " batch"], phonemes: Int64[Tensor, " batch"]
    ) -> Float[Tensor, "batch codes"]:
        """Logits of the next code, from the one before it and the phoneme that sounds now."""
        channels = self.embedding.shape[1]
        slots = [self.time % layer.dilation for layer in self.layers]
        number = self.conditions.shape[2]
        conditions = self.conditions[:, self.rows, phonemes if number > 1 else 0]
        for past, now, slot in zip(self.past, self.now, slots, strict=True):
            past[slot].copy_(now[slot])
        self.now[0][slots[0]].copy_(self.embedding[previous])
        signal, gate = self.filtered[:, :channels], self.filtered[:, channels:]
        for index, slot in enumerate(slots):
            torch.addmm(
                conditions[index], self.taps[index][slot], self.filters[index], out=self.filtered
            )
            activated = self.activated[:, index]
            if self.gated:
                self.filtered.tanh_()
                torch.addcmul(signal, signal, gate, out=activated[:, :channels])
            else:
                torch.clamp(self.filtered, min=0, out=activated[:, :channels])
            top = index + 1 == len(slots)
            after = self.last if top else self.now[index + 1][slots[index + 1]]
            now = self.now[index][slot]
            torch.addmm(now, activated, self.residuals[index], out=after)
        self.time += 1
        total = self.activated.flatten(1) @ self.skips
        hidden = torch.addmm(self.hidden[1], total.relu_(), self.hidden[0])
        return torch.addmm(self.output[1], hidden.relu_(), self.output[0])

    def _filter(self, layer: Layer) -> Float[Tensor, "taps width"]:
        """Both taps of the convolution, the older above; the gate's half is halved."""
        taps = layer.convolution.weight.detach().permute(2, 1, 0).flatten(0, 1)
        return self._halve_gate(taps)

    def _condition(
        self, layer: Layer, speakers: Int64[Tensor, " batch"]
    ) -> Float[Tensor, "batch phonemes width"]:
        """What bias, speaker and each phoneme add inside the gate; one column without phonemes."""
        number = 1 if layer.phoneme is None else layer.phoneme.num_embeddings
        every = torch.arange(number, device=speakers.device).expand(len(speakers), -1)
        added = layer.convolution.bias.detach()[None, :, None] + layer.condition(speakers, every)
        added = added.expand(len(speakers), -1, number)
        return self._halve_gate(added.transpose(1, 2).contiguous())

    def _halve_gate(self, values: Float[Tensor, "*any width"]) -> Float[Tensor, "*any width"]:
        if not self.gated:
            return values
        signal, gate = values.chunk(2, dim=-1)
        return torch.cat([signal, gate / 2], dim=-1)

    def _with_bias(self, convolution: torch.nn.Conv1d) -> Float[Tensor, "channels+1 out"]:
        """Weights with the bias as last row; halved where the gate is (tanh + 1), not its half."""
        weight = convolution.weight.detach()[:, :, 0].T
        scale = 0.5 if self.gated else 1.0
        return torch.cat([weight * scale, convolution.bias.detach()[None]])
