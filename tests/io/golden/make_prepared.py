# SPDX-License-Identifier: Apache-2.0
"""What TRL's trainers make of rows: ids of prompts and responses, what is dropped, in which order.

Usage: python make_prepared.py prepared.json        (trl 1.16.0, transformers 5.23.0, tokenizers 0.23.3; reads tokenizers.json beside this script)"""
import json, pathlib, sys, tempfile
from datasets import Dataset
from tokenizers import AddedToken, Tokenizer
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

TEMPLATE = ("{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a fox.<|im_end|>\n' }}{% endif %}"
            "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
here = pathlib.Path(__file__).parent
golden = json.loads((here / "tokenizers.json").read_text())


def tokenizer(case_name):
    """A case of tokenizers.json with ChatML's tokens and, of a Llama, its BOS."""
    case = next(c for c in golden["cases"] if c["name"] == case_name)
    parts = dict(case["parts"], version="1.0", truncation=None, padding=None, model=dict(golden["models"][case["model"]], **case["options"]))
    t = Tokenizer.from_str(json.dumps(parts))
    t.add_special_tokens([AddedToken("<|im_start|>", special=True, normalized=False), AddedToken("<|im_end|>", special=True, normalized=False)])
    end = "</s>" if case["model"] == "pieces" else "<|im_end|>"
    return json.loads(t.to_str()), PreTrainedTokenizerFast(tokenizer_object=t, eos_token=end, pad_token=end, chat_template=TEMPLATE)


def say(*turns): return [dict(role=("system", "user", "assistant")[role], content=text) for role, text in turns]


text_pairs = [dict(prompt="Once upon", chosen=" a time, a fox", rejected=" a fox"), dict(prompt="What is a fo", chosen="x what", rejected="what what"),
              dict(prompt="a" * 30, chosen="b", rejected="a" * 30), dict(prompt="one two\n\nthree:", chosen=" four", rejected="\nfive six seven eight nine ten eleven twelve"),
              dict(prompt="ends", chosen=" itself<|im_end|>", rejected=" itself</s>"), dict(prompt="café", chosen=" naïve 日本", rejected=" ½ é")]
implicit = [dict(chosen=r["prompt"] + r["chosen"], rejected=r["prompt"] + r["rejected"]) for r in text_pairs]
implicit += [dict(chosen="a fox is", rejected="a fox is a fox"), dict(chosen="日本語です", rejected="日本人です"), dict(chosen="caf\u00e9", rejected="caf\u00e8 x")]
chat_pairs = [dict(prompt=say((1, "Is a fox?")), chosen=say((2, "A fox is.")), rejected=say((2, "No."))),
              dict(prompt=say((0, "Be a fox."), (1, "What?"), (2, "A fox."), (1, "What what?")), chosen=say((2, "What.")), rejected=say((2, "Fox fox fox fox fox fox fox fox fox fox fox fox fox fox"))),
              dict(prompt=say((1, "long " * 20)), chosen=say((2, "x")), rejected=say((2, "y")))]
chat_implicit = [dict(chosen=r["prompt"] + r["chosen"], rejected=r["prompt"] + r["rejected"]) for r in chat_pairs]
labelled = [dict(prompt=r["prompt"], completion=r["chosen" if i % 3 else "rejected"], label=i % 3 > 0) for i, r in enumerate(text_pairs)]
chat_labelled = [dict(prompt=r["prompt"], completion=r["chosen"], label=i == 1) for i, r in enumerate(chat_pairs)]
sets = [("pairs of text", DPOTrainer, DPOConfig, text_pairs), ("implicit prompts", DPOTrainer, DPOConfig, implicit), ("pairs of conversations", DPOTrainer, DPOConfig, chat_pairs),
        ("implicit prompts of conversations", DPOTrainer, DPOConfig, chat_implicit), ("labelled", KTOTrainer, KTOConfig, labelled), ("labelled conversations", KTOTrainer, KTOConfig, chat_labelled),
        ("pairs taken apart", KTOTrainer, KTOConfig, text_pairs), ("texts", SFTTrainer, SFTConfig, [dict(text=r["prompt"] + r["chosen"]) for r in text_pairs]),
        ("conversations", SFTTrainer, SFTConfig, [dict(messages=r["prompt"] + r["chosen"]) for r in chat_pairs]),
        ("prompts with completions", SFTTrainer, SFTConfig, [dict(prompt=r["prompt"], completion=r["chosen"]) for r in text_pairs])]
out = dict(template=TEMPLATE, sets=[])
for case_name, max_length in (("GPT-2", 48), ("Llama 2", 64), ("GPT-2", None)):
    parts, t = tokenizer(case_name)
    tiny = lambda: AutoModelForCausalLM.from_config(LlamaConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1, vocab_size=len(t)))
    for name, trainer, config, rows in sets:
        with tempfile.TemporaryDirectory() as folder:
            args = config(output_dir=folder, bf16=False, report_to=[], use_cpu=True, max_length=max_length, per_device_train_batch_size=2)
            made = trainer(model=tiny(), processing_class=t, train_dataset=Dataset.from_list(rows), args=args, **({} if trainer is SFTTrainer else dict(ref_model=tiny())))
        keys = [k for k in made.train_dataset.column_names if k in ("prompt_ids", "chosen_ids", "rejected_ids", "completion_ids", "input_ids", "labels", "label")]
        out["sets"].append(dict(name=name, tokenizer=case_name, end=t.eos_token, added_tokens=parts["added_tokens"], max_length=max_length or 0, rows=rows, prepared=[{k: r[k] for k in keys} for r in made.train_dataset]))
json.dump(out, open(sys.argv[1], "w"), ensure_ascii=True, separators=(",", ":"))
