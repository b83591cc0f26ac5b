#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tilt and a peer, in turn, each a process of its own, on the same model folder and examples: the ratios of pairs (or rankings) a second and
of peak resident memory, with their spread over the repetitions. Losses, and log-probabilities of the chosen responses, have to agree step by
step before a time counts. The first step of either is left out, as it has one-off costs; loading and the pass of the reference too.

compare.py --tilt build/release/bin/tilt --model FOLDER --source hh.jsonl.gz --peer trl|trl-cached|trl-sorted|trl-checkpointing|trl-bf16|loop|loop-compiled
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PEERS = {"trl": ["trl_dpo.py"], "trl-cached": ["trl_dpo.py", "--cached"], "trl-sorted": ["trl_dpo.py", "--cached"],
         "trl-checkpointing": ["trl_dpo.py", "--cached", "--checkpointing"], "trl-bf16": ["trl_dpo.py", "--cached", "--bf16"],
         "loop": ["torch_loop.py"], "loop-compiled": ["torch_loop.py", "--compile"]}
AGREEMENT = 1e-3


def run(command, environment=None):
    """Output and peak resident memory, in MB, of a process."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=err, env={**os.environ, **(environment or {})})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if process.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}: exit status {process.returncode}\n{err.read()[-3000:]}")
        return out.read(), usage.ru_maxrss / 1024


def run_tilt(arguments, examples):
    with tempfile.TemporaryDirectory() as folder:
        _, memory = run([arguments.tilt, "dpo", "--model", arguments.model, "--train", examples, "--output", folder, "--no-shuffle",
                         "--batch-size", arguments.batch_size, "--max-steps", arguments.steps, "--max-length", arguments.max_length,
                         "--learning-rate", arguments.learning_rate, "--logging-steps", 1, "--threads", arguments.threads,
                         "--loss-type", "plackett_luce" if arguments.responses > 2 else "sigmoid", *arguments.tilt_options])
        lines = [json.loads(line) for line in open(pathlib.Path(folder) / "metrics.jsonl")]
        results = json.load(open(pathlib.Path(folder) / "train_results.json"))
    return {"losses": [line["loss"] for line in lines], "logps": [line.get("logps/chosen") for line in lines],
            "seconds": results["train_runtime"] - results["first_step_runtime"], "memory": memory}


def run_peer(arguments, examples):
    out, memory = run([sys.executable, HERE / PEERS[arguments.peer][0], *PEERS[arguments.peer][1:], "--model", arguments.model, "--data", examples,
                       "--batch-size", arguments.batch_size, "--steps", arguments.steps, "--max-length", arguments.max_length,
                       "--learning-rate", arguments.learning_rate, "--threads", arguments.threads],
                      {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(arguments.threads)})
    results = json.loads(out.strip().splitlines()[-1])
    return {**results, "seconds": sum(results["seconds"][1:]), "memory": memory}


def disagreement(ours, theirs):
    """The largest difference over the steps: of losses, and of log-probabilities relative to them."""
    loss = max(abs(a - b) for a, b in zip(ours["losses"], theirs["losses"], strict=True))
    logps = [abs(a - b) / max(1, abs(b)) for a, b in zip(ours["logps"], theirs["logps"], strict=True) if a is not None]
    return loss, max(logps, default=0.0)


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def prepare(arguments, path):
    from transformers import AutoTokenizer

    import data
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    count = arguments.batch_size * arguments.steps
    if arguments.responses > 2:
        rows = data.rankings(arguments.source, tokenizer, count, arguments.responses)
    else:
        rows = data.pairs(arguments.source, tokenizer, count, arguments.max_length, arguments.peer == "trl-sorted")
    data.write(rows, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tilt", required=True, help="the program")
    parser.add_argument("--tilt-options", nargs=argparse.REMAINDER, default=[], help="the last: options for it")
    parser.add_argument("--model", required=True)
    parser.add_argument("--source", required=True, help="human pairs, .jsonl.gz")
    parser.add_argument("--peer", required=True, choices=PEERS)
    parser.add_argument("--responses", type=int, default=2, help="more than 2: rankings of prompts of 384 and responses of 64 tokens")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--learning-rate", type=float, default=2e-5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", help="append the outcome to this file")
    arguments = parser.parse_args()
    sides = {"tilt": run_tilt, arguments.peer: run_peer}
    runs = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        examples = pathlib.Path(folder) / "examples.jsonl"
        # In a process of its own: what this one holds when it starts another counts to that one's peak.
        preparation = multiprocessing.get_context("spawn").Process(target=prepare, args=(arguments, examples))
        preparation.start()
        preparation.join()
        if preparation.exitcode != 0:
            sys.exit("the examples could not be made")
        for _ in range(arguments.repetitions):
            for side, start in sides.items():
                runs[side].append(start(arguments, examples))
            loss, logps = disagreement(runs["tilt"][-1], runs[arguments.peer][-1])
            if not (loss <= AGREEMENT and logps <= AGREEMENT):
                sys.exit(f"{arguments.peer}: its losses differ from tilt's by up to {loss:.1e} and log-probabilities by {logps:.1e} of them; "
                         f"more than {AGREEMENT:g}, so times are not compared\n{runs}")
    rates = {side: [arguments.batch_size * (arguments.steps - 1) / r["seconds"] for r in some] for side, some in runs.items()}
    memory = {side: [r["memory"] for r in some] for side, some in runs.items()}
    ratio = [a / b for a, b in zip(rates["tilt"], rates[arguments.peer])]
    share = [a / b for a, b in zip(memory["tilt"], memory[arguments.peer])]
    unit = "pairs/s" if arguments.responses == 2 else "rankings/s"
    print(f"{pathlib.Path(arguments.model).name}, {arguments.responses} responses, batches of {arguments.batch_size}, {arguments.steps} steps, "
          f"{arguments.repetitions} repetitions; losses within {loss:.1e}, log-probabilities within {logps:.1e} of them")
    for side in sides:
        print(f"  {side:18} {spread(rates[side])} {unit}   {spread(memory[side], 0)} MB")
    print(f"  {'ratio':18} {spread(ratio)}           {spread(share)}", flush=True)
    if arguments.json:
        with open(arguments.json, "a") as file:
            file.write(json.dumps({"model": pathlib.Path(arguments.model).name, "peer": arguments.peer, "responses": arguments.responses,
                                   "batch_size": arguments.batch_size, "steps": arguments.steps, "threads": arguments.threads, "rates": rates,
                                   "memory": memory, "ratio": ratio, "memory_ratio": share, "loss_difference": loss,
                                   "logps_difference": logps}) + "\n")


if __name__ == "__main__":
    main()
