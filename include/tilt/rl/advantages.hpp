// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <span>
#include <string_view>
#include <tilt/error.hpp>
#include <tilt/scalar/config.hpp>

namespace tilt {

/// Mean and sample variance (divided by n − 1; 0 for one number) of numbers in double.
struct moments {
  double mean = 0, variance = 0;

  template <class T> static moments of(std::span<const T> x) {
    moments m;
    for (const T& v : x) m.mean += static_cast<double>(v);
    if (!x.empty()) m.mean /= static_cast<double>(x.size());
    for (const T& v : x) m.variance += (static_cast<double>(v) - m.mean) * (static_cast<double>(v) - m.mean);
    if (x.size() > 1) m.variance /= static_cast<double>(x.size() - 1);
    return m;
  }
};

/// What GRPO divides advantages by: the deviation within a prompt's group, that of the whole batch, or nothing (Dr. GRPO).
enum class reward_scale { group, batch, none };

inline reward_scale reward_scale_of(std::string_view name) {
  if (name == "group") return reward_scale::group;
  if (name == "batch") return reward_scale::batch;
  if (name == "none") return reward_scale::none;
  throw input_error("scale_rewards: \"" + std::string(name) + "\" is none; give group, batch or none");
}

namespace detail {
inline void require_groups(std::size_t n, std::size_t result, index group_size, index least) {
  if (n != result) throw error("advantages: they are as many as the rewards");
  if (group_size < least || n % static_cast<std::size_t>(group_size) != 0)
    throw input_error("num_generations: groups of " + std::to_string(group_size) + " do not part " + std::to_string(n) +
                      " samples; give a divisor of at least " + std::to_string(least));
}
}  // namespace detail

/// GRPO's advantages (Shao et al. 2024, arXiv 2402.03300, §4.1.2): (r − mean of its group)/(s + 1e-4), s the sample deviation of the group
/// or of the batch. Groups of `group_size` samples of one prompt lie side by side. A group of equal rewards has advantages 0. O(n).
template <class T>
void group_advantages(std::span<const T> rewards, index group_size, std::span<T> advantages, reward_scale scale = reward_scale::group) {
  detail::require_groups(rewards.size(), advantages.size(), group_size, 1);
  const double of_batch = std::sqrt(moments::of(rewards).variance);
  const std::size_t k = static_cast<std::size_t>(group_size);
  for (std::size_t begin = 0; begin < rewards.size(); begin += k) {
    const moments m = moments::of(rewards.subspan(begin, k));
    const double deviation = scale == reward_scale::group ? std::sqrt(m.variance) : of_batch;
    for (std::size_t i = begin; i < begin + k; ++i) {
      const double centred = static_cast<double>(rewards[i]) - m.mean;
      advantages[i] = static_cast<T>(scale == reward_scale::none ? centred : centred / (deviation + 1e-4));
    }
  }
}

/// RLOO's advantages (Ahmadian et al. 2024, arXiv 2402.14740, eq. 8): a sample's reward less the mean of the others of its group, which is
/// a baseline that the sample itself has no part in, so that the gradient stays unbiased. Groups of 2 at least. O(n).
template <class T> void leave_one_out_advantages(std::span<const T> rewards, index group_size, std::span<T> advantages) {
  detail::require_groups(rewards.size(), advantages.size(), group_size, 2);
  const std::size_t k = static_cast<std::size_t>(group_size);
  for (std::size_t begin = 0; begin < rewards.size(); begin += k) {
    double sum = 0;
    for (std::size_t i = begin; i < begin + k; ++i) sum += static_cast<double>(rewards[i]);
    for (std::size_t i = begin; i < begin + k; ++i) {
      const double r = static_cast<double>(rewards[i]);
      advantages[i] = static_cast<T>(r - (sum - r) / static_cast<double>(k - 1));
    }
  }
}

/// Whitens in place: (x − mean)/√(variance + 1e-8), over all tokens that there are (population variance). Without `shift_mean` the mean
/// stays, as PPO has it for rewards. O(n).
template <class T> void whiten(std::span<T> x, bool shift_mean = true) {
  const moments m = moments::of(std::span<const T>(x));
  const double n = static_cast<double>(x.size()), scale = 1 / std::sqrt((x.empty() ? 0 : m.variance * (n > 1 ? (n - 1) / n : 0)) + 1e-8);
  for (T& v : x) v = static_cast<T>((static_cast<double>(v) - m.mean) * scale + (shift_mean ? 0 : m.mean));
}

}  // namespace tilt
