// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/rl/estimate.hpp>
#include <tilt/rl/rollout.hpp>
#include <tilt/train/scores.hpp>

namespace tilt {

/// What is told of a policy's samples, under the names of TRL's PPOTrainer: means over the samples of all rollouts that were added, and the
/// number of samples that found an end. Its estimates are of KL(π‖π_ref) and of π's entropy, in nats a sample.
class sample_means {
 public:
  template <class T> void add(const rollout<T>& r, const reward_means& rewards) {
    double surprise = 0, ended = 0;
    for (index i = 0; i < r.responses(); ++i) {
      surprise -= sum_of(r.policy.logps(i));
      ended += r.ended[static_cast<std::size_t>(i)] ? 1 : 0;
    }
    const double n = static_cast<double>(r.responses());
    samples_ += n;
    const auto take = [&](double& mean, double value) { mean += (value - mean) * (n / samples_); };
    take(rewards_.kl, rewards.kl);
    take(rewards_.non_score_reward, rewards.non_score_reward);
    take(rewards_.rlhf_reward, rewards.rlhf_reward);
    take(rewards_.scores, rewards.scores);
    take(entropy_, surprise / n);
    take(length_, static_cast<double>(r.tokens()) / n);
    ended_ += ended;
  }

  /// f(name, value) for each.
  template <class F> void each(const F& f) const {
    f("objective/kl", rewards_.kl);
    f("objective/entropy", entropy_);
    f("objective/non_score_reward", rewards_.non_score_reward);
    f("objective/rlhf_reward", rewards_.rlhf_reward);
    f("objective/scores", rewards_.scores);
    f("val/num_eos_tokens", ended_);
    f("completions/mean_length", length_);
  }

 private:
  reward_means rewards_;
  double samples_ = 0, entropy_ = 0, length_ = 0, ended_ = 0;
};

}  // namespace tilt
