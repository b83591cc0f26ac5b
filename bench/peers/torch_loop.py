# SPDX-License-Identifier: Apache-2.0
"""DPO, and its form for rankings, as a plain PyTorch loop with nothing left to leave away: no trainer, no padding (sequences are laid end to
end, attention runs on each), the reference computed once before training, logits of response tokens only, fused AdamW.
Prints a JSON line: losses and log-probabilities of the chosen responses step by step, and seconds.
"""
import argparse
import json
import time

import torch
from torch.nn.functional import cross_entropy, logsigmoid, scaled_dot_product_attention
from transformers import AttentionInterface, AutoModelForCausalLM, AutoTokenizer

import data

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--batch-size", type=int, default=8)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--max-length", type=int, default=512)
parser.add_argument("--learning-rate", type=float, default=1e-6)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--compile", action="store_true", help="torch.compile the decoder")
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads)
BETA = 0.1


def attention_of_each(module, query, key, value, mask, scaling=None, lengths=None, **_):
    """[1, heads, tokens, width] of sequences laid end to end: causal attention within each."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    out = [scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling)
           for q, k, v in zip(query.split(lengths, 2), key.split(lengths, 2), value.split(lengths, 2))]
    return torch.cat(out, 2).transpose(1, 2), None


AttentionInterface.register("each", attention_of_each)
tokenizer = AutoTokenizer.from_pretrained(arguments.model)
model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32, attn_implementation="each")
model.config.use_cache = False
decoder = torch.compile(model.model, dynamic=True) if arguments.compile else model.model


class Batch:
    """Sequences of some examples, laid end to end, without the last token of each, which predicts nothing."""

    def __init__(self, rows):
        ids, positions, predicting, labels, owners, self.lengths = [], [], [], [], [], []
        for row in rows:
            prompt = tokenizer(row["prompt"]).input_ids
            for answer in row["responses"] if "responses" in row else (row["chosen"], row["rejected"]):
                whole = (tokenizer(row["prompt"] + answer).input_ids + [tokenizer.eos_token_id])[:arguments.max_length]
                predicting += range(len(ids) + len(prompt) - 1, len(ids) + len(whole) - 1)
                labels += whole[len(prompt):]
                owners += [len(self.lengths)] * (len(whole) - len(prompt))
                ids += whole[:-1]
                positions += range(len(whole) - 1)
                self.lengths.append(len(whole) - 1)
        self.ids, self.positions = torch.tensor([ids]), torch.tensor([positions])
        self.predicting, self.labels, self.owners = torch.tensor(predicting), torch.tensor(labels), torch.tensor(owners)

    def logps(self):
        """Of each sequence's response."""
        hidden = decoder(input_ids=self.ids, position_ids=self.positions, lengths=self.lengths).last_hidden_state[0]
        logits = model.lm_head(hidden[self.predicting])
        return torch.zeros(len(self.lengths)).index_add(0, self.owners, -cross_entropy(logits, self.labels, reduction="none"))


rows = data.read(arguments.data)
responses = len(rows[0]["responses"]) if "responses" in rows[0] else 2
batches = [Batch(rows[s * arguments.batch_size:(s + 1) * arguments.batch_size]) for s in range(arguments.steps)]
with torch.no_grad():
    reference = [batch.logps() for batch in batches]
optimizer = torch.optim.AdamW(model.parameters(), lr=arguments.learning_rate, weight_decay=0, fused=True)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / arguments.steps)
losses, chosen, seconds = [], [], []
for batch, frozen in zip(batches, reference):
    begun = time.perf_counter()
    logps = batch.logps()
    reward = BETA * (logps - frozen).view(-1, responses)
    if responses == 2:
        loss = -logsigmoid(reward[:, 0] - reward[:, 1]).mean()
    else:  # Plackett-Luce: the best of what is left, again and again
        loss = sum(torch.logsumexp(reward[:, k:], 1) - reward[:, k] for k in range(responses - 1)).mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    losses.append(loss.item())
    seconds.append(time.perf_counter() - begun)
    chosen.append(logps.detach().view(-1, responses)[:, 0].mean().item())
print(json.dumps({"losses": losses, "logps": chosen, "seconds": seconds}))
