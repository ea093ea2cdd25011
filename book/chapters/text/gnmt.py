# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Google's neural machine translation
#
# You will build a network that reads an English sentence piece by piece and writes a French one, looking back at the
# English for each piece it writes, and a search that finds its best translation.
#
# | | |
# |---|---|
# | Your time | 100 minutes, and 170 for the exercises |
# | Machine time | MINUTES minutes, TRAINING of them the main training, on two cores that had other work as well |
# | Level | 2 of 3 |
# | You need | tensors, modules and a training loop ([the page to read first](../../guide/pytorch)); what an LSTM is; no French |
# | Paper | Wu et al., *Google's Neural Machine Translation System* {cite}`wu2016` |
#
# To run it yourself, open this notebook in JupyterLab with `make lab`; [the guide](../../guide/run) has the other
# ways, Colab among them. The first cell checks that the course's package is there.

# %%
import importlib.util

if importlib.util.find_spec("companion") is None:
    raise ModuleNotFoundError(
        "This chapter needs the course's package: run `pip install -e .` in "
        "the course's folder, then restart the kernel."
    )

# %%
import copy
import dataclasses
import html
import time
from collections import Counter
from itertools import islice, pairwise

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, display
from torch import nn

from companion import claims
from companion.figures import PALETTE, show, use_style
from companion.seeds import generator
from companion.size import current_size, device
from companion.text.gnmt import (
    batches,
    beam,
    claim,
    data,
    live,
    model,
    quantise,
    reinforce,
    rivals,
    train,
    wordpieces,
)

# %%
from companion.text.gnmt import libreoffice
from companion.text.gnmt.translate import bleu, translate

use_style()
SIZE = current_size()
SETTINGS = train.SETTINGS[SIZE]
print(f"size {SIZE}: {SETTINGS.steps:,} training steps on {device()},")
print(f"about {SETTINGS.minutes:g} minutes")
for name, value in vars(SETTINGS.architecture).items():
    print(f"  {name} = {value}")

# %% [markdown]
# ## Why 2017 cared
#
# Until 2016 Google's translator was *phrase-based*: it cut a sentence into phrases, looked each up in a table counted
# from translated texts, and put the results into a likely order. In September 2016 one network replaced it. The network
# had been known to researchers for two years; what nobody had shown was that it could be made fast enough and reliable
# enough to serve everyone.
#
# The survey {cite}`tyantov2017` says that the distance to human translation shrank by 55 to 85%, measured on six language
# pairs, and adds that without Google's data such results are hard to repeat. The number needs some care. It comes
# from Google's announcement, which counted *translation errors*: 55 to 85% fewer on several major language pairs than
# the phrase-based system made, as people who know both languages saw it, on sentences sampled from Wikipedia and news.
# The paper's abstract says 60% on average for the same comparison. The survey rewords fewer errors as a smaller distance
# to people. Neither says how often a translation is right.
#
# Another table of the paper shows why people were asked. For English to French on a public test, marked from 0 to 6, the
# phrase-based system scored 3.87, the network 4.46, a person's translation 4.82. Training further on the measure itself,
# which you will do below, lifted the network's BLEU from 38.95 to 39.92, and people's mark went to 4.44, the other way.
#
# Three ideas carry the chapter. **Attention** {cite}`bahdanau2014`: do not squeeze a sentence into one vector, look back at
# it. It is the idea whose worth we measure. **Wordpieces** {cite}`sennrich2016`: a vocabulary that can spell any word. And
# **beam search** with a score that is fair to long sentences and notices what was left out.

# %% [markdown]
# ## The data
#
# The paper learned from tens of millions of sentence pairs, which cannot be had without a download, and would not fit
# into ten minutes. This chapter's sentences come from a *grammar* that derives each sentence in English and in French at
# once. It is ours, so you may use it as you use the rest of the course. It has some 1,150 English and 2,700 French words,
# and it was written to be hard where the two languages differ: French nouns have a gender with which articles,
# adjectives and participles agree, pronouns and adverbs stand before the verb, negation has two parts, words touch
# (*l'arbre*).
#
# What it gives us is one right answer for every sentence, so that BLEU has a ceiling of 100. What it lacks is what makes
# translation hard for people: ambiguity, idiom, the world.

# %%
splits = {name: data.load_grammar(name) for name in data.SPLITS}
training, test = splits["train"], splits["test"]
for name, pairs in splits.items():
    count = sum(len(data.tokenize(text)) for text in pairs.sources)
    print(f"{len(pairs):6,} pairs, {count / len(pairs):4.1f} words: {name}")
for index in (2, 5, 7, 11):
    print(f"\n{test.sources[index]}\n{test.targets[index]}")

# %% [markdown]
# No English sentence stands in two splits. *Test* and *validation* are drawn like *train*. Two more ask what a network
# does with what it has not seen: in *combinations* every sentence holds an adjective with a noun, or a verb with an
# object, that never stood together in training; in *rare* every sentence holds a word that training shows in at most
# three sentences.

# %%
for name in ("combinations", "rare"):
    print(name)
    for index in (1, 2):
        print("  ", splits[name].sources[index])
        print("  ", splits[name].targets[index])
lengths = [len(data.tokenize(text)) for text in test.sources]
figure, axis = plt.subplots(figsize=(6.4, 2.6))
axis.hist(lengths, bins=range(2, 42), color=PALETTE[0])
axis.set(xlabel="words and marks of a test sentence", ylabel="sentences")
show(
    figure,
    "Histogram of the lengths of test sentences: most have 5 to 15 words, "
    "a few more than 30.",
    "Most sentences are short; the long ones will tell models apart.",
)

# %% [markdown]
# Sentences that people wrote are one command away: the help pages of LibreOffice, which stand in the same files in both
# languages, under the Mozilla Public License 2.0. The chapter runs without them; where they are installed, one of the
# claim's studies uses them.

# %%
if libreoffice.FOLDER.is_dir():
    manual = libreoffice.load_libreoffice("test")
    for index in range(0, len(manual), len(manual) // 3):
        print(f"{manual.sources[index]}\n{manual.targets[index]}\n")
else:
    print("LibreOffice's help is not on this machine; to get it:")
    print("  apt install libreoffice-help-en-us libreoffice-help-fr")

# %% [markdown]
# ## The trivial baseline
#
# **BLEU** compares translations of a whole test set with references: the share of its runs of 1, 2, 3 and 4 words that
# the references hold as well, the four shares multiplied and their fourth root taken, times a penalty if the whole is too
# short. 100 means all are the same. We leave the computing to the library `sacrebleu`.
#
# Two rivals. One learns a dictionary by counting which words occur together {cite}`brown1993` and translates word by word,
# in the English order. The other answers with the translation of the most similar training sentence. To be quick, both
# know a part of the training sentences here; [the ledger](../../ledger) has them with all.

# %%
known, asked = {"smoke": (500, 100)}.get(SIZE, (10_000, 500))
part = data.Pairs(training.sources[:known], training.targets[:known])
baselines = {}
for rival in (rivals.word_for_word, rivals.nearest_neighbour):
    answers = rival(part, test.sources[:asked])
    baselines[rival.__name__] = bleu(answers, test.targets[:asked])
    print(f"{rival.__name__}: {baselines[rival.__name__]:.1f} BLEU, as in")
    print(f"  {test.sources[3]}\n  {answers[3]}\n  {test.targets[3]} (right)")

# %% [markdown]
# Word for word fails on order and agreement, the neighbour on everything that is new. Both are far from 100.
#
# ## Build it
#
# ### Wordpieces
#
# A network needs a numbered vocabulary. Give each word a number, and a rare word has hardly been trained, an unknown one
# has no number at all. Give each letter a number, and every sentence is five times as long. **Byte-pair merges** stand
# between: start with letters and a mark `▁` where a word begins; then, again and again, join the pair of neighbours that
# occurs most often. Frequent words end as one piece, others as a few.


# %%
def join(symbols, pair):
    """The symbols with each occurrence of the pair made one."""
    joined = []
    for symbol in symbols:
        if joined and (joined[-1], symbol) == pair:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return joined


def learn_merges(counts, number):
    """The first merges of a table of words with their counts."""
    spelled = {word: ["▁", *word] for word in counts}
    merges = []
    for _ in range(number):
        frequency = Counter()
        for word, symbols in spelled.items():
            for pair in pairwise(symbols):
                frequency[pair] += counts[word]
        # Of equals the shortest, then the first in order of characters.
        best = min(
            frequency,
            key=lambda p: (-frequency[p], sum(map(len, p)), "".join(p)),
        )
        merges.append("".join(best))
        spelled = {word: join(s, best) for word, s in spelled.items()}
    return merges


# %% [markdown]
# `companion` uses the library `sentencepiece` {cite}`kudo2018` for the same. Both languages share one vocabulary, so that
# a name is spelled alike in both. Are the first merges of both the same?

# %%
everything = training.sources + training.targets
vocabulary = wordpieces.learn_wordpieces(
    everything, SETTINGS.architecture.vocabulary_size
)
counts = Counter(word for text in everything for word in text.split())
merges = learn_merges(counts, 60)
assert merges == list(vocabulary.pieces[4:64])
print("first:", *merges[:12])
print("last: ", *vocabulary.pieces[1400:1412])
for word in ("elephant", "éléphants", "unbelievable"):
    print(word, "->", *(vocabulary.pieces[n] for n in vocabulary.encode(word)))

# %% [markdown]
# The four numbers before the first merge are signs: padding, begin, end, unknown. A word that nobody has ever seen is
# spelled all the same.

# %%
source, target = test.sources[7], test.targets[7]
for text in (source, target):
    numbers = vocabulary.encode(text)
    print(text, numbers)
    assert vocabulary.decode(numbers) == text
rows = [vocabulary.encode(text) for text in test.sources]
print(f"{np.mean([len(row) for row in rows]):.1f} pieces a test sentence")

# %% [markdown]
# ### An encoder and a decoder
#
# The plainest network that turns one sequence into another {cite}`sutskever2014,cho2014` has two recurrent halves. The
# encoder reads the source, and its state after the last piece is a summary. The decoder gets the summary and the piece
# it wrote last, and gives a probability to each piece that might follow. Both are LSTMs {cite}`hochreiter1997`; here is
# one step of one, and a whole sentence.


# %%
def lstm_step(lstm, inputs, state):
    """One step of an LSTM from its weights; all are vectors."""
    hidden, cell = state
    from_inputs, from_hidden, bias, another = lstm.parameters()
    gates = from_inputs @ inputs + from_hidden @ hidden + bias + another
    write, forget, candidate, read = gates.chunk(4)
    cell = forget.sigmoid() * cell + write.sigmoid() * candidate.tanh()
    return read.sigmoid() * cell.tanh(), cell


def lstm_read(lstm, sequence):
    """(time, inputs) -> (time, hidden), from a state of zeros."""
    state = 2 * [torch.zeros(lstm.hidden_size)]
    outputs = []
    for inputs in sequence:
        state = lstm_step(lstm, inputs, state)
        outputs.append(state[0])
    return torch.stack(outputs)


# %%
torch.manual_seed(0)
embedding = nn.Embedding(vocabulary.size, 32)
reader, writer = nn.LSTM(32, 64), nn.LSTM(32 + 64, 64)
predictor = nn.Linear(64, vocabulary.size)
for index in (7, 5, 3):
    numbers = torch.tensor(vocabulary.encode(test.sources[index]))
    summary = lstm_read(reader, embedding(numbers))[-1]
    print(f"{len(numbers):3} pieces, summary {tuple(summary.shape)}")
begun = torch.tensor([wordpieces.BEGIN, *vocabulary.encode(target)])
below = torch.cat([embedding(begun), summary.expand(len(begun), -1)], dim=1)
logits = predictor(lstm_read(writer, below))
print("the decoder reads", tuple(below.shape), "gives", tuple(logits.shape))
