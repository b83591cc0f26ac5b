// SPDX-License-Identifier: Apache-2.0
#include "trl_keys.hpp"

#include <algorithm>
#include <array>

namespace tilt::program {
namespace {

// How the computation is carried out there, or what is done beside it.
constexpr std::array listed{
    "accelerator_config",
    "activation_offloading",
    "auto_find_batch_size",
    "average_tokens_across_devices",
    "batch_eval_metrics",
    "bf16",
    "bf16_full_eval",
    "data_seed",
    "dataloader_num_workers",
    "dataloader_persistent_workers",
    "dataloader_pin_memory",
    "dataloader_prefetch_factor",
    "dataset_kwargs",
    "dataset_name",
    "dataset_num_proc",
    "ddp_backend",
    "ddp_broadcast_buffers",
    "ddp_bucket_cap_mb",
    "ddp_find_unused_parameters",
    "ddp_timeout",
    "debug",
    "deepspeed",
    "disable_dropout",
    "disable_tqdm",
    "do_eval",
    "do_predict",
    "do_train",
    "ds3_gather_for_generation",
    "enable_jit_checkpoint",
    "eval_accumulation_steps",
    "eval_do_concat_batches",
    "eval_use_gather_object",
    "exp_name",
    "fp16",
    "fp16_backend",
    "fp16_full_eval",
    "fp16_opt_level",
    "fsdp",
    "fsdp_config",
    "full_determinism",
    "generate_during_eval",
    "gradient_checkpointing_kwargs",
    "greater_is_better",
    "group_by_length",
    "half_precision_backend",
    "hub_always_push",
    "hub_model_id",
    "hub_private_repo",
    "hub_revision",
    "hub_strategy",
    "hub_token",
    "include_for_metrics",
    "include_num_input_tokens_seen",
    "include_tokens_per_second",
    "is_encoder_decoder",
    "jit_mode_eval",
    "label_names",
    "label_pad_token_id",
    "length_column_name",
    "liger_kernel_config",
    "local_rank",
    "local_rollout_forward_batch_size",
    "log_level",
    "log_level_replica",
    "log_on_each_node",
    "logging_dir",
    "logging_nan_inf_filter",
    "metric_for_best_model",
    "model_adapter_name",
    "model_init_kwargs",
    "mp_parameters",
    "no_cuda",
    "num_sample_generations",
    "overwrite_output_dir",
    "pad_to_multiple_of",
    "pad_token",
    "padding_free",
    "padding_value",
    "parallelism_config",
    "past_index",
    "precompute_ref_batch_size",
    "prediction_loss_only",
    "project",
    "push_to_hub",
    "push_to_hub_model_id",
    "push_to_hub_organization",
    "push_to_hub_token",
    "ray_scope",
    "ref_adapter_name",
    "ref_model_init_kwargs",
    "remove_unused_columns",
    "report_to",
    "restore_callback_states_from_checkpoint",
    "router_aux_loss_coef",
    "run_name",
    "save_on_each_node",
    "save_only_model",
    "save_safetensors",
    "skip_memory_metrics",
    "tf32",
    "torch_compile",
    "torch_compile_backend",
    "torch_compile_mode",
    "torch_dtype",
    "torch_empty_cache_steps",
    "torchdynamo",
    "tpu_metrics_debug",
    "tpu_num_cores",
    "trackio_space_id",
    "trust_remote_code",
    "use_cache",
    "use_cpu",
    "use_ipex",
    "use_legacy_prediction_loop",
    "use_liger",
    "use_liger_kernel",
    "use_logits_to_keep",
    "use_mps_device",
    "world_size",
};

// What would change the numbers, with the value (as JSON) at which it does not. Null never does.
struct neutral_key {
  const char* name;
  const char* neutral;
};
constexpr std::array neutral{
    neutral_key{"assistant_only_loss", "false"},
    neutral_key{"chat_template_path", "null"},
    neutral_key{"dataloader_drop_last", "false"},
    neutral_key{"dataset_text_field", "\"text\""},
    neutral_key{"eos_token", "null"},
    neutral_key{"eval_delay", "0"},
    neutral_key{"eval_packing", "false"},
    neutral_key{"f_divergence_type", "\"reverse_kl\""},
    neutral_key{"force_use_ref_model", "false"},
    neutral_key{"ignore_data_skip", "false"},
    neutral_key{"label_smoothing_factor", "0"},
    neutral_key{"load_best_model_at_end", "false"},
    neutral_key{"local_batch_size", "null"},
    neutral_key{"local_mini_batch_size", "null"},
    neutral_key{"max_completion_length", "null"},
    neutral_key{"max_target_length", "null"},
    neutral_key{"mini_batch_size", "null"},
    neutral_key{"neftune_noise_alpha", "null"},
    neutral_key{"num_total_batches", "null"},
    neutral_key{"optim_args", "null"},
    neutral_key{"optim_target_modules", "null"},
    neutral_key{"packing", "false"},
    neutral_key{"reference_free", "false"},
    neutral_key{"rpo_alpha", "null"},
    neutral_key{"shuffle_dataset", "false"},
    neutral_key{"sync_ref_model", "false"},
    neutral_key{"stop_token", "\"eos\""},
    neutral_key{"stop_token_id", "null"},
    neutral_key{"truncation_mode", "\"keep_start\""},
    neutral_key{"use_weighting", "false"},
};

// What only says more of a neutral one, and is not read while that is neutral.
constexpr std::array companions{"discopop_tau", "f_alpha_divergence_coef", "packing_strategy", "ref_model_mixup_alpha",
                                "ref_model_sync_steps"};

}  // namespace

trl_key look_up(std::string_view key, const nlohmann::json& value) {
  if (std::find(listed.begin(), listed.end(), key) != listed.end()) return trl_key::listed;
  if (std::find(companions.begin(), companions.end(), key) != companions.end()) return trl_key::usual;
  for (const neutral_key& k : neutral)
    if (key == k.name) return value.is_null() || value == nlohmann::json::parse(k.neutral) ? trl_key::usual : trl_key::refused;
  return trl_key::unknown;
}

std::vector<std::string> trl_key_names() {
  std::vector<std::string> names(listed.begin(), listed.end());
  names.insert(names.end(), companions.begin(), companions.end());
  for (const neutral_key& k : neutral) names.emplace_back(k.name);
  return names;
}

}  // namespace tilt::program
