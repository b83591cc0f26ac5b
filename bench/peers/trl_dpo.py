# SPDX-License-Identifier: Apache-2.0
"""TRL's DPOTrainer on a file of pairs. Prints a JSON line: losses and log-probabilities of the chosen responses step by step, and seconds.

Without options all is TRL's default but the order (that of the file), the length and float32 weights.
"""
import argparse
import json
import tempfile
import time

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer

import data

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--batch-size", type=int, default=8)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--max-length", type=int, default=512)
parser.add_argument("--learning-rate", type=float, default=1e-6)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--cached", action="store_true", help="compute the reference once, before training")
parser.add_argument("--checkpointing", action="store_true", help="recompute activations")
parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
parser.add_argument("--compile", action="store_true", help="torch.compile")
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads)


class Clock(TrainerCallback):
    def __init__(self):
        self.seconds, self.losses, self.logps = [], [], []

    def on_step_begin(self, *_, **__):
        self.begun = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.seconds.append(time.perf_counter() - self.begun)

    def on_log(self, *_, logs=None, **__):
        if "loss" in logs:
            self.losses.append(float(logs["loss"]))
            self.logps.append(float(logs["logps/chosen"]))


tokenizer = AutoTokenizer.from_pretrained(arguments.model)
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32)
clock = Clock()
with tempfile.TemporaryDirectory() as folder:
    config = DPOConfig(output_dir=folder, use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True, logging_steps=1,
                       per_device_train_batch_size=arguments.batch_size, max_steps=arguments.steps, max_length=arguments.max_length,
                       learning_rate=arguments.learning_rate, train_sampling_strategy="sequential", bf16=arguments.bf16,
                       precompute_ref_log_probs=arguments.cached, gradient_checkpointing=arguments.checkpointing,
                       torch_compile=arguments.compile)
    trainer = DPOTrainer(model=model, processing_class=tokenizer, train_dataset=Dataset.from_list(data.read(arguments.data)), args=config,
                         callbacks=[clock])
    trainer.train()
print(json.dumps({"losses": clock.losses, "logps": clock.logps, "seconds": clock.seconds}))
