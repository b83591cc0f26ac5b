// SPDX-License-Identifier: Apache-2.0
#include "run_settings.hpp"

#include <filesystem>
#include <tilt/error.hpp>
#include <vector>

#include "backends.hpp"

namespace tilt::program {
namespace {

using nlohmann::json;

std::string word_of(const json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";  // YAML's plain `no`
  if (value.is_string()) return value.get<std::string>();
  return value.dump();
}

/// A key whose words mean something else here.
setting& translate(settings& s, const char* name, std::vector<std::string> words, std::function<void(const std::string&)> take) {
  return s.file_only(name, [words, take](const json& value) {
    if (value.is_null()) return;
    const std::string word = word_of(value);
    std::string all;
    for (const std::string& known : words) {
      if (word == known) return take(word);
      all += (all.empty() ? "" : ", ") + known;
    }
    throw input_error("\"" + word + "\" is not to be had here; take one of " + all);
  });
}

void add_schedule(settings& s, training_options& o) {
  std::vector<std::string> names;
  for (const schedule_name& known : schedule_names) names.emplace_back(known.name);
  s.choice(
      "lr_scheduler_type", names, std::string(name_of(o.lr_scheduler_type)),
      [&o](const std::string& name) { o.lr_scheduler_type = schedule_from_name(name); }, "how the learning rate moves");
  s.add("warmup_steps", o.warmup_steps, "steps of rising learning rate; below 1: a share of the run");
  s.add("warmup_ratio", o.warmup_ratio, "the same as a share of the run");
  s.add("num_cycles", o.num_cycles, "of the cosine schedules; -1: half a cycle, or one where it restarts");
  s.add("lr_end", o.lr_end, "of polynomial: the last learning rate");
  s.add("power", o.power, "of polynomial");
  s.add("timescale", o.timescale, "of inverse_sqrt; 0: warmup_steps, or 10000 without");
  s.add("min_lr_ratio", o.min_lr_ratio, "floor of cosine_with_min_lr and warmup_stable_decay, as a share").also("min_lr_rate");
  s.add("decay_steps", o.decay_steps, "of warmup_stable_decay").also("num_decay_steps");
  s.file_only("lr_scheduler_kwargs", [&s](const json& value) {
    if (value.is_null()) return;
    if (!value.is_object()) throw input_error(value.dump() + " is not an object; give one such as {\"num_cycles\": 2}");
    for (const auto& [key, v] : value.items()) {
      bool known = false;
      for (const char* name : {"num_cycles", "lr_end", "power", "timescale", "min_lr_rate", "min_lr_ratio", "num_decay_steps"})
        known = known || key == name;
      if (!known || v.is_structured()) throw input_error("\"" + key + "\" is not to be had here; leave it away");
      if (!v.is_null()) s[key].read(v.dump());
    }
  });
}

void add_optimizer(settings& s, training_options& o) {
  s.choice(
      "optim", {"adamw_torch", "adamw_torch_fused", "adamw", "rmsprop", "sgd"}, "adamw_torch",
      [&o](const std::string& name) { o.optim = optimizer_from_name(name); }, "the optimiser");
  s.add("weight_decay", o.weight_decay, "decoupled for adamw; biases and norms are left out");
  s.add("adam_beta1", o.adam_beta1, "decay of the first moment");
  s.add("adam_beta2", o.adam_beta2, "decay of the second moment");
  s.add("adam_epsilon", o.adam_epsilon, "added to the root of the second moment; rmsprop's too");
  s.add("momentum", o.momentum, "of rmsprop and sgd");
  s.add("rmsprop_alpha", o.rmsprop_alpha, "decay of rmsprop's second moment");
  s.add("max_grad_norm", o.max_grad_norm, "gradients are scaled down to this norm; 0: never");
}

}  // namespace

void add_backend(settings& s, std::string& backend) {
  std::vector<std::string> names;
  for (const backend_entry* b : backends()) names.push_back(b->name);
  backend = names.front();
  setting& chosen = s.choice(
      "backend", names, backend, [&backend](const std::string& name) { backend = name; }, "what computes");
  chosen.read = [read = chosen.read, names](const std::string& name) {
    if (name == "cuda" && std::find(names.begin(), names.end(), name) == names.end())
      throw input_error("cuda is in a program of its own; build the target tilt_cuda_program where CMake finds nvcc, and run tilt_cuda");
    for (const missing_backend& m : missing_backends())
      if (m.name == name)
        throw input_error(name + " was not compiled in; " +
                          (m.packages.empty() ? "name it in CMake's TILT_BACKENDS" : "it needs " + m.packages) + ", then build again");
    read(name);
  };
}

void add_compute(settings& s, compute& machine) {
  add_backend(s, machine.backend);
  s.choice(
      "dtype", {"float32", "float64"}, machine.dtype, [&machine](const std::string& name) { machine.dtype = name; },
      "number type of weights and arithmetic");
  s.count("threads", machine.threads, "threads; 0: all that the machine has");
}

void add_run(settings& s, run_choice& c, bool reference, const std::function<void()>& add_loss) {
  training_options& o = c.options;
  s.group("Files");
  s.add("model", c.model, "Hugging Face model folder to train", "FOLDER").also("model_name_or_path");
  if (c.on_prompts) {
    s.add("train", c.train, "prompts: JSONL with \"prompt\", or lines of text", "FILE").also("train_file");
    if (!c.makes_pairs) s.add("eval", c.eval, "prompts to evaluate on, by samples for them; never trained on", "FILE").also("eval_file");
  } else {
    s.add("train", c.train, "training examples, JSONL or JSON, also .gz", "FILE").also("train_file");
    s.add("eval", c.eval, "examples to evaluate on, never trained on", "FILE").also("eval_file");
  }
  s.add("output", c.output, "folder for the trained model, metrics.jsonl and checkpoints [MODEL's name and the method]", "FOLDER")
      .also("output_dir");
  if (reference)
    s.add("reference_model", c.reference_model, "model folder of the reference [the model as it was before training]", "FOLDER")
        .also("ref_model");
  s.allow_config();
  s.add_resume(c.resume, c.resume_from);

  s.group("Data");
  if (!c.on_prompts)
    s.count("max_length", c.max_length,
          c.drop_longer ? "tokens of prompt and response; longer pairs are left out; 0: no limit"
                        : "tokens of prompt and response, which is cut at its end; 0: no limit")
        .read_null = [&c] { c.max_length = 0; };
  s.count("max_prompt_length", c.max_prompt_length, "tokens of a prompt, which is cut at its beginning; 0: no limit");
  if (!c.on_prompts) s.add("drop_empty", c.drop_empty, "leave examples with an empty completion out instead of refusing them");
  s.add("shuffle", o.shuffle, "another order in each epoch");
  translate(s, "train_sampling_strategy", {"random", "sequential"}, [&o](const std::string& word) { o.shuffle = word == "random"; });
  s.add("seed", o.seed, "of the order");

  s.group("Loss");
  add_loss();
  s.group("Training");
  s.add("learning_rate", o.learning_rate, "the largest learning rate").also("lr");
  s.add("batch_size", o.batch_size,
        c.on_prompts && !c.makes_pairs ? "prompts of a step, times gradient_accumulation_steps" : "examples in a micro-batch")
      .also("per_device_train_batch_size");
  s.add("gradient_accumulation_steps", o.gradient_accumulation_steps, "micro-batches in a step");
  s.add("max_steps", o.max_steps, "steps; -1: as num_train_epochs says");
  s.add("num_train_epochs", o.num_train_epochs, "passes over the data");
  add_schedule(s, o);
  add_optimizer(s, o);
  if (reference) {
    s.choice(
        "statistics", {"micro", "step"}, "micro",
        [&o](const std::string& w) { o.statistics = w == "step" ? statistics_scope::step : statistics_scope::micro_batch; },
        "what a batch statistic is taken over");
    s.choice(
        "reference", {"cached", "online"}, "cached",
        [&o](const std::string& w) { o.reference = w == "online" ? reference_mode::online : reference_mode::cached; },
        "the reference's log-probabilities: computed once, or in every step");
    if (!c.on_prompts)  // what a model makes anew is not met again
      s.add("reference_cache", o.reference_cache, "folder that keeps these log-probabilities for later runs on the same data", "FOLDER");
    s.add("sync_ref_model", o.sync_ref_model, "TR-DPO: the reference, online, follows the policy");
    s.add("ref_model_mixup_alpha", o.ref_model_mixup_alpha, "the policy's share in a moved reference");
    s.add("ref_model_sync_steps", o.ref_model_sync_steps, "steps from one such move to the next");
    translate(s, "precompute_ref_log_probs", {"yes", "no"}, [](const std::string&) {});  // the same numbers either way
    s.add("kl_budget", o.kl_budget, "ends the run once the logged kl/k2 exceeds it; 0: none");
  }

  s.group("Log, evaluation, checkpoints");
  s.add("logging_steps", o.logging_steps, "steps that a line of metrics.jsonl sums up");
  translate(s, "logging_strategy", {"steps"}, [](const std::string&) {});
  s.add("logging_first_step", o.logging_first_step, "a line after the first step too");
  if (!c.makes_pairs) {
    s.add("eval_steps", o.eval_steps, "steps between evaluations; 0: before and after training only");
    s.add("eval_on_start", o.eval_on_start, "evaluate before training");
    s.add("eval_batch_size", o.eval_batch_size,
          c.on_prompts ? "prompts that an evaluation samples for at once" : "examples in a micro-batch of evaluation")
        .also("per_device_eval_batch_size");
    translate(s, "eval_strategy", {"no", "steps"}, [&c](const std::string& w) { c.eval_strategy = w; }).also("evaluation_strategy");
  }
  s.add("save_steps", o.save_steps, "steps between checkpoints; 0: none on the way");
  translate(s, "save_strategy", {"no", "steps", "best"}, [&c](const std::string& w) { c.save_strategy = w; });
  s.add("save_total_limit", o.save_total_limit, "checkpoints that are kept; 0: all");
  if (!c.on_prompts) s.add("keep_best", o.keep_best, "also keep the checkpoint with the lowest evaluation loss");

  s.group("Machine");
  add_compute(s, c.machine);
  s.add("max_tokens", o.max_tokens, "tokens computed at once; bounds memory, changes no result");
  s.add("gradient_checkpointing", o.gradient_checkpointing, "compute layers again in backward: less memory, more time, no other result");
  if (!c.on_prompts) s.add("plan", c.plan, "print what memory the run will take, and do not run");
}

void settle_run(settings& s, run_choice& c) {
  training_options& o = c.options;
  s.require("model", "the folder of the model to train");
  s.require("train", "the file with the training examples");
  if (c.output.empty()) {
    const std::filesystem::path model = std::filesystem::path(c.model).lexically_normal();
    c.output = (model.has_filename() ? model.filename() : model.parent_path().filename()).string() + "-" + s.command();
  }
  const auto on_line = [&s](const char* name) { return s[name].from_command_line(); };
  if (!c.makes_pairs && c.eval_strategy == "no" && !on_line("eval_steps")) o.eval_steps = 0;
  if (c.eval_strategy == "steps" && o.eval_steps == 0) o.eval_steps = o.logging_steps;
  if (c.save_strategy == "no" && !on_line("save_steps")) o.save_steps = 0;
  if (c.save_strategy == "steps" && !s.given("save_steps")) o.save_steps = 500;
  if (c.save_strategy == "best") {
    o.keep_best = true;
    if (!on_line("save_steps")) o.save_steps = 0;
  }
  if (c.on_prompts) c.max_length = 0;
  if (c.makes_pairs) o.eval_on_start = false;
  if (c.eval.empty() && !c.makes_pairs) {
    for (const char* name : {"eval_steps", "eval_on_start", "eval_batch_size"})
      if (on_line(name)) s.refuse(name, "there are no examples to evaluate on without --eval");
    o.eval_steps = 0;
    o.eval_on_start = false;
    if (!c.on_prompts) {
      s.refuse("keep_best", "which is best is told by examples to evaluate on, and --eval is not given");
      o.keep_best = false;
    }
  }
  if (o.save_steps == 0) s.refuse("save_total_limit", "no checkpoints are written without save_steps");
  o.max_length = c.max_length;
  o.output_dir = c.output;
  o.check();
}

}  // namespace tilt::program
