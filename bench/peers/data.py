# SPDX-License-Identifier: Apache-2.0
"""The examples that tilt and its peers train on, as JSONL files that both read: human pairs, and rankings of a fixed shape."""
import gzip
import json

TURN = "\n\nAssistant:"


def human_pairs(source):
    """Pairs of Anthropic's HH-RLHF: the prompt is what chosen and rejected share up to the last turn of the assistant."""
    with gzip.open(source, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            cut = row["chosen"].rindex(TURN) + len(TURN)
            if row["chosen"][:cut] == row["rejected"][:cut]:
                yield {"prompt": row["chosen"][:cut], "chosen": row["chosen"][cut:], "rejected": row["rejected"][cut:]}


def pairs(source, tokenizer, count, max_length, by_length=False):
    """The first `count` pairs whose prompt leaves room for a response of 16 tokens; by_length: from short to long."""
    rows = []
    for row in human_pairs(source):
        if len(tokenizer(row["prompt"]).input_ids) + 16 <= max_length:
            rows.append(row)
        if len(rows) == count:
            break
    if len(rows) < count:
        raise SystemExit(f"{source}: it has {len(rows)} usable pairs and {count} are asked for; take fewer steps or a smaller batch")
    if by_length:
        rows.sort(key=lambda r: max(len(tokenizer(r["prompt"] + r[k]).input_ids) for k in ("chosen", "rejected")))
    return rows


def rankings(source, tokenizer, count, responses, prompt_tokens=384, response_tokens=64):
    """Prompts of exactly prompt_tokens with `responses` continuations of exactly response_tokens, the end token included, cut out of the
    text of human pairs: what a ranking is about does not change what it costs."""
    text = "".join(row["prompt"] + row["chosen"] for row in human_pairs(source))
    ids = tokenizer(text[:40 * count * (prompt_tokens + responses * response_tokens)], add_special_tokens=False).input_ids
    special = len(tokenizer("").input_ids)
    at, rows = 0, []

    def take(length):
        nonlocal at
        while not tokenizer.decode(ids[at]).startswith(" "):  # where a word begins, texts fall into the same tokens alone and joined
            at += 1
        piece = tokenizer.decode(ids[at:at + length])
        at += length
        return piece

    while len(rows) < count:
        prompt = take(prompt_tokens - special)
        row = {"prompt": prompt, "responses": [take(response_tokens - 1) for _ in range(responses)]}
        if all(len(tokenizer(prompt + r).input_ids) == prompt_tokens + response_tokens - 1 for r in row["responses"]) and \
                len(tokenizer(prompt).input_ids) == prompt_tokens:
            rows.append(row)
    return rows


def write(rows, path):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read(path):
    return [json.loads(line) for line in open(path)]
