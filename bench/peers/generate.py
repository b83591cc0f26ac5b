#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tilt and transformers' generate, in turn, on the same folder and prompt: tokens a second at one sample and at several, their ratios with the
spread over the repetitions, and the share of what the machine's read bandwidth, measured in between, allows one sample (each token reads every
weight once). A rate is that of all tokens but the first of each sample, so that loading and the prompt are left out.

generate.py --tilt build/release/bin/tilt --model FOLDER [--samples 8] [--tokens 96] [--repetitions 3]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

PROMPT = "Once upon a time, there was a small town by the sea where"


def seconds_of_tilt(arguments, samples, tokens):
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "texts.jsonl"
        begin = time.perf_counter()
        subprocess.run([arguments.tilt, "generate", "--model", arguments.model, "--prompt", PROMPT, "--num-samples", str(samples), "--max-new-tokens",
                        str(tokens), "--threads", str(arguments.threads), "--json", "--output", output], check=True, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - begin
        made = sum(len(json.loads(line)["ids"]) for line in open(output))
        if made != samples * tokens:
            sys.exit(f"tilt ended a text early: {made} of {samples * tokens} tokens; take another prompt or fewer tokens")
        return seconds


def tilt_rate(arguments, samples):
    return samples * (arguments.tokens - 1) / (seconds_of_tilt(arguments, samples, arguments.tokens) - seconds_of_tilt(arguments, samples, 1))


def transformers_rate(arguments, model, tokenizer, samples):
    prompt = tokenizer(PROMPT, return_tensors="pt")

    def seconds(tokens):
        begin = time.perf_counter()
        with torch.inference_mode():
            model.generate(**prompt, do_sample=True, temperature=1.0, top_k=0, num_return_sequences=samples, max_new_tokens=tokens,
                           min_new_tokens=tokens, pad_token_id=tokenizer.eos_token_id)
        return time.perf_counter() - begin

    return samples * (arguments.tokens - 1) / (seconds(arguments.tokens) - seconds(1))


def read_bandwidth(numbers):
    """Bytes a second at which the threads read memory that no cache holds: the best of several sums."""
    best = 1e9
    for _ in range(5):
        begin = time.perf_counter()
        numbers.sum()
        best = min(best, time.perf_counter() - begin)
    return numbers.numel() * numbers.element_size() / best


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tilt", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    weights = sum(p.numel() for p in model.parameters()) * 4  # tied ones once; they are read once too, as the head
    memory = torch.ones(1 << 28)
    transformers_rate(arguments, model, tokenizer, 1)  # one-off costs
    ratios, shares, rates, theirs = {1: [], arguments.samples: []}, [], {1: [], arguments.samples: []}, {1: [], arguments.samples: []}
    for _ in range(arguments.repetitions):
        for samples in ratios:
            ours, other = tilt_rate(arguments, samples), transformers_rate(arguments, model, tokenizer, samples)
            rates[samples].append(ours), theirs[samples].append(other), ratios[samples].append(ours / other)
            if samples == 1:
                shares.append(ours * weights / read_bandwidth(memory))
    for samples in ratios:
        print(f"{samples} samples: tilt {spread(rates[samples])} tokens/s, transformers {spread(theirs[samples])}, ratio {spread(ratios[samples])}")
    print(f"one sample: {spread(shares)} of what the read bandwidth allows ({read_bandwidth(memory) / 1e9:.1f} GB/s, {weights / 1e6:.0f} MB a token)")


main()
