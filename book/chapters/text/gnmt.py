# %% [markdown]
# Five pieces or fifty, the summary has 64 numbers. That is the **bottleneck**: the decoder writes the last word of a long
# sentence from the same 64 numbers as the first. `companion`'s arm *without attention* is this network, made deeper.
#
# ### Attention
#
# So keep every output of the encoder, $x_1$ to $x_M$, and let the decoder choose among them at each step
# {cite}`bahdanau2014`. It asks with a **query** $y$. A small network with one hidden layer scores each encoding, a softmax
# turns the scores into weights $p$, and the **context** $a$ is the weighted mean:
#
# $$s_t = v^{\top} \tanh(W y + U x_t + b) \qquad p_t = \frac{e^{s_t}}{\sum_{t'} e^{s_{t'}}} \qquad
# a = \sum_{t=1}^{M} p_t\, x_t$$
#
# The query stands inside the tanh with each encoding, hence *additive* attention. Outside it would move all scores alike,
# and the softmax would not notice.


# %%
def attend(attention, query, encodings):
    """query (hidden,), encodings (source, hidden) -> context, weights."""
    keys = encodings @ attention.key.weight.T + attention.key.bias
    hidden = torch.tanh(attention.query.weight @ query + keys)
    scores = hidden @ attention.vector.weight[0]  # (source,)
    weights = scores.softmax(dim=0)
    return weights @ encodings, weights


# %% [markdown]
# ### The stack
#
# The paper builds eight LSTM layers a side, with four decisions (its figure 1):
#
# - The encoder's first layer reads in **both directions**, since what a word means may depend on what follows. The other
#   layers read forwards only, so that on many processors a layer may begin before the one below it has finished.
# - From the third layer on, a layer's input is added to its output, a **residual** connection: $x^{i} = m^{i} + x^{i-1}$.
#   The paper found that plain stacks work well to four layers, barely at six and very poorly beyond eight.
# - The **query** is the *bottom* decoder layer's output of the *previous* step.
# - The **context** goes to *every* decoder layer, beside the output of the layer below. The residual adds that output
#   alone, without the context.
#
# Public versions differ here without always saying so. Two widely used ones, NVIDIA's and the second of the two in
# Google's own tutorial code, query with the *current* step's output of the bottom layer, which then cannot see the
# context itself.


# %%
def plain_encode(encoder, numbers):
    """Numbers of one source -> encodings (source, hidden)."""
    embedded = encoder.embedding.weight[numbers]  # (source, embedding)
    forwards = lstm_read(encoder.forwards, embedded)
    backwards = lstm_read(encoder.backwards, embedded.flip(0)).flip(0)
    below = torch.cat([forwards, backwards], dim=1)  # (source, 2 * hidden)
    for layer, lstm in enumerate(encoder.upper, start=1):
        above = lstm_read(lstm, below)
        below = above + below if layer >= 2 else above  # a residual
    return below


def plain_step(decoder, piece, encodings, states):
    """One piece in: logits of the next, attention weights, new states."""
    query = states[0][0]  # of the bottom layer, from the step before
    context, weights = attend(decoder.attention, query, encodings)
    below = decoder.embedding.weight[piece]
    stack = [decoder.bottom, *decoder.upper]
    new = []
    for layer, (lstm, state) in enumerate(zip(stack, states, strict=True)):
        state = lstm_step(lstm, torch.cat([below, context]), state)
        below = state[0] + below if layer >= 2 else state[0]
        new.append(state)
    logits = decoder.output.weight @ below + decoder.output.bias
    return logits, weights, new


# %% [markdown]
# ### The loss
#
# In training the decoder reads the reference, not its own words: the begin sign and the reference go in, the reference
# and the end sign are to come out, and the loss is the mean of $-\log p(\text{piece})$, in nats a piece. Real batches pad
# sentences to one length, and padding must count nowhere. The plain network takes one sentence at a time and has none.


# %%
def plain_losses(network, source, target):
    """-log p of every piece of one target and of its end sign."""
    encodings = plain_encode(network.encoder, [*source, wordpieces.END])
    states = start(network)
    losses = []
    read, said = [wordpieces.BEGIN, *target], [*target, wordpieces.END]
    for piece, right in zip(read, said, strict=True):
        logits, _, states = plain_step(
            network.decoder, piece, encodings, states
        )
        losses.append(-logits.log_softmax(0)[right])
    return torch.stack(losses)


def start(network):
    """The decoder's first states: zeros for every layer."""
    sizes = network.architecture
    zeros = torch.zeros(sizes.hidden_size)
    return [(zeros, zeros)] * sizes.num_layers


# %% [markdown]
# Now the check. `companion`'s `Translator` works on padded batches: the bottom decoder layer and the attention go step by
# step, since each needs the other, and every layer above reads its whole sentence in one call. Four layers, so that
# residuals are among them; three sentences of different length:

# %%
four_layers = dataclasses.replace(SETTINGS.architecture, num_layers=4)
network = model.new_model(four_layers, 0, weight_range=0.2)
finished = copy.deepcopy(network)
some = data.Pairs(
    [test.sources[i] for i in (3, 7, 5)], [test.targets[i] for i in (3, 7, 5)]
)
encoded = batches.encode_pairs(some, vocabulary)
pairs = zip(encoded.sources, encoded.targets, strict=True)
loss = torch.cat([plain_losses(network, *pair) for pair in pairs]).mean()
loss.backward()
batch = batches.make_batch(encoded, range(3))
finished_loss = train.batch_loss(finished, batch)
finished_loss.backward()
torch.testing.assert_close(loss, finished_loss)
weights = zip(network.parameters(), finished.parameters(), strict=True)
for weight, other in weights:
    torch.testing.assert_close(weight.grad, other.grad, rtol=1e-3, atol=1e-6)
print(
    "sources, targets:",
    *map(tuple, (batch.sources.shape, batch.targets_in.shape)),
)
print(f"both losses are {loss.item():.4f} nats, and all gradients agree")
print(f"a guess among {vocabulary.size} costs {np.log(vocabulary.size):.4f}")
