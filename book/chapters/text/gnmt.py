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
# The paper's abstract says 60% on average for the same comparison. The errors are the distance between a system's mark
# and a human translator's mark, so that "fewer errors" and "a smaller gap" are one statement. Neither is a statement
# about how often a translation is right.
#
# Another table of the paper shows why people were asked. For English to French on a public test, marked from 0 to 6, the
# phrase-based system scored 3.87, the network 4.46, a person's translation 4.82. Training further on the measure itself,
# which you will do below, lifted the network's BLEU from 38.95 to 39.92, and people's mark went to 4.44, the other way.
#
# Three ideas carry the chapter. **Attention** {cite}`bahdanau2014`: do not squeeze a sentence into one vector, look back at
# it. It is the idea whose worth we measure. **Wordpieces** {cite}`sennrich2016`: a vocabulary that can spell any word. And
# **beam search** with a score that is fair to long sentences and notices what was left out.
