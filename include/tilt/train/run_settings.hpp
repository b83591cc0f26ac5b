// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <charconv>
#include <string>
#include <tilt/loss/options.hpp>
#include <tilt/train/options.hpp>
#include <type_traits>
#include <vector>

namespace tilt {

/// An option's name and its value as a text, from which the same value comes back.
struct named_value {
  std::string name, value;
};

namespace detail {
template <class V> std::string exact_text(V value) {
  if constexpr (std::is_same_v<V, bool>) {
    return value ? "true" : "false";
  } else {
    std::array<char, 64> text;
    return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
  }
}
}  // namespace detail

/// What a loss that describes itself was told: each of its options with its value. Nothing for another one.
template <class L> std::vector<named_value> hyper_parameters(const L& loss) {
  std::vector<named_value> values;
  if constexpr (described_loss<L>)
    std::apply([&](const auto&... option) { (values.push_back({std::string(option.name), detail::exact_text(loss.*option.member)}), ...); }, L::options());
  return values;
}

/// The options of training that the weights depend on, but not the length of the run.
inline std::vector<named_value> settings_of_run(const training_options& o) {
  const auto number = [](auto value) { return detail::exact_text(value); };
  std::vector<named_value> values{
      {"batch_size", number(o.batch_size)},
      {"gradient_accumulation_steps", number(o.gradient_accumulation_steps)},
      {"seed", number(o.seed)},
      {"shuffle", number(o.shuffle)},
      {"learning_rate", number(o.learning_rate)},
      {"lr_scheduler_type", std::string(name_of(o.lr_scheduler_type))},
      {"warmup_steps", number(o.warmup_steps)},
      {"warmup_ratio", number(o.warmup_ratio)},
      {"num_cycles", number(o.num_cycles)},
      {"lr_end", number(o.lr_end)},
      {"power", number(o.power)},
      {"timescale", number(o.timescale)},
      {"min_lr_ratio", number(o.min_lr_ratio)},
      {"decay_steps", number(o.decay_steps)},
      {"optim", std::string(name_of(o.optimizer()))},
      {"weight_decay", number(o.weight_decay)},
      {"adam_beta1", number(o.adam_beta1)},
      {"adam_beta2", number(o.adam_beta2)},
      {"adam_epsilon", number(o.adam_epsilon)},
      {"momentum", number(o.momentum)},
      {"rmsprop_alpha", number(o.rmsprop_alpha)},
      {"max_grad_norm", number(o.max_grad_norm)},
      {"statistics", o.statistics == statistics_scope::step ? "step" : "micro"},
      {"sync_ref_model", number(o.sync_ref_model)},
  };
  if (o.sync_ref_model) {
    values.push_back({"ref_model_mixup_alpha", number(o.ref_model_mixup_alpha)});
    values.push_back({"ref_model_sync_steps", number(o.ref_model_sync_steps)});
  }
  return values;
}

}  // namespace tilt
