"""Speed and memory of GNMT: training, and decoding as beam, batch and length grow.

``make bench CHAPTER=text/gnmt``, on an otherwise idle machine. Wall-clock medians after a warm-up;
a training step is forward, backward and the optimiser.
"""

import resource

import torch

from benchmarks.timing import seconds
from companion.seeds import generator
from companion.text.gnmt import beam, live, model, quantise, train
from companion.text.gnmt.batches import EncodedPairs, encode_sentences, make_batch, make_sources
from companion.text.gnmt.data import load_grammar

SENTENCES = 128


def made_up_pairs(count: int, length: int, vocabulary_size: int) -> EncodedPairs:
    """Pairs of ``length`` pieces a side at random: only their shape matters here."""
    random = generator(0, "benchmark")
    numbers = torch.randint(4, vocabulary_size, (2, count, length), generator=random).tolist()
    return EncodedPairs(*numbers)


def training_rate(architecture: model.Architecture, length: int) -> float:
    """Target pieces a second of training, on batches of as many pieces as the chapter's."""
    count = max(1, train.SETTINGS["laptop"].most_pieces // (2 * length + 2))
    pairs = made_up_pairs(count, length, architecture.vocabulary_size)
    batch = make_batch(pairs, range(count))
    network = model.new_model(architecture, 0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        train.batch_loss(network, batch).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()

    return batch.targets_out.numel() / seconds(step)


def decoding_rate(
    network: model.Translator, sentences: list[list[int]], batch: int, settings: beam.Search
) -> float:
    """Sentences a second, ``batch`` at a time."""
    groups = [
        make_sources(sentences[start : start + batch]) for start in range(0, len(sentences), batch)
    ]

    def decode() -> None:
        for sources, lengths in groups:
            beam.search(network, sources, lengths, settings)

    return len(sentences) / seconds(decode, 3)


def loop_rate(network: model.Translator, sentences: list[list[int]]) -> float:
    """Sentences a second of the search that handles one sentence and one hypothesis at a time."""
    rows = [make_sources([sentence])[0][0] for sentence in sentences]
    return len(rows) / seconds(
        lambda: [beam.search_one(network, row, beam.Search()) for row in rows], 1
    )


def main() -> None:
    """Print everything."""
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    laptop = train.SETTINGS["laptop"].architecture
    for length in (5, 10, 20, 40, 80):
        rate = training_rate(laptop, length)
        print(f"training, {length:2} pieces a side: {rate:8,.0f} target pieces/s")

    network, vocabulary = live.load_shipped()
    sentences = encode_sentences(load_grammar("test").sources[:SENTENCES], vocabulary)
    sentences.sort(key=len)
    for width in (1, 4, 8):
        for batch in (1, 16, 128):
            rate = decoding_rate(network, sentences, batch, beam.Search(width=width))
            print(f"decoding, beam {width}, batch {batch:3}: {rate:7.1f} sentences/s")
    batched = decoding_rate(network, sentences, 128, beam.Search())
    single = loop_rate(network, sentences[::8])
    print(f"beam 4, a loop over sentences: {single:.1f}, batched {batched / single:.1f} times that")
    eight = decoding_rate(quantise.quantise(network), sentences, 128, beam.Search())
    print(f"beam 4, batch 128, 8 bits: {eight:.1f} sentences/s, {eight / batched:.2f} times floats")
    for length in (5, 10, 20, 40, 80):
        made_up = made_up_pairs(32, length, vocabulary.size).sources
        rate = decoding_rate(network, made_up, 32, beam.Search())
        print(f"decoding, beam 4, batch 32, {length:2} pieces: {rate:7.1f} sentences/s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
