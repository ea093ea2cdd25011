"""Chapter 1.1, quantised inference: 8-bit weights in every matrix product (section 6).

PyTorch's own dynamic quantisation does the arithmetic: weights are rounded once to 8 bits, inputs
at every product, and sums are kept in 32 bits. Embeddings, softmaxes and cell states stay floats,
as in the paper. The paper also clips accumulators during training; nothing is trained here.
"""

import warnings

import torch
from torch import nn

from companion.text.gnmt.model import Translator


def quantise(model: Translator) -> Translator:
    """A copy of a model on the processor that computes with 8-bit weights; it cannot be trained."""
    with warnings.catch_warnings():
        # Marked as superseded, but what supersedes it has no 8-bit LSTM.
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(
            model, {nn.Linear, nn.LSTM, nn.LSTMCell}, dtype=torch.qint8
        )


def matrix_bytes(model: Translator) -> dict[str, int]:
    """How many bytes the matrices of products take as floats, and in 8 bits."""
    matrices = [
        parameter
        for module in model.modules()
        if isinstance(module, nn.Linear | nn.LSTM | nn.LSTMCell)
        for parameter in module.parameters(recurse=False)
        if parameter.dim() == 2
    ]
    entries = sum(matrix.numel() for matrix in matrices)
    return {"float": 4 * entries, "int8": entries}
