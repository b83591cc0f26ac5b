// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/evaluate.hpp>
#include <tilt/loss/logistic.hpp>
#include <tuple>
#include <utility>
#include <vector>

namespace tilt {

namespace detail {
/// Two samples of one size, paired by rank: what each number meets in the other sample. Equal numbers keep their order.
class rank_pairing {
 public:
  void clear() {
    a_.clear();
    b_.clear();
  }
  void add(double a, double b) {
    a_.push_back({a, a_.size()});
    b_.push_back({b, b_.size()});
  }
  void match() {
    sort(a_);
    sort(b_);
    of_a_.resize(a_.size());
    of_b_.resize(b_.size());
    for (std::size_t rank = 0; rank < a_.size(); ++rank) of_a_[a_[rank].at] = b_[rank].value, of_b_[b_[rank].at] = a_[rank].value;
  }
  double of_a(index i) const { return of_a_[static_cast<std::size_t>(i)]; }
  double of_b(index i) const { return of_b_[static_cast<std::size_t>(i)]; }

 private:
  struct entry {
    double value;
    std::size_t at;
    bool before(const entry& other) const { return value < other.value || (value == other.value && at < other.at); }
  };
  /// Heap sort, in place. (<algorithm> would double what it costs to include a loss.)
  static void sort(std::vector<entry>& v) {
    const auto sift = [&v](std::size_t root, std::size_t end) {
      for (std::size_t child; (child = 2 * root + 1) < end; root = child) {
        if (child + 1 < end && v[child].before(v[child + 1])) ++child;
        if (!v[root].before(v[child])) return;
        std::swap(v[root], v[child]);
      }
    };
    for (std::size_t root = v.size() / 2; root-- > 0;) sift(root, v.size());
    for (std::size_t end = v.size(); end-- > 1;) {
      std::swap(v[0], v[end]);
      sift(0, end);
    }
  }
  std::vector<entry> a_, b_;
  std::vector<double> of_a_, of_b_;
};
}  // namespace detail

/// The policy's and the reference's log-probability gaps ℓ⁺ − ℓ⁻ of a batch, paired by rank. value(i): the reference gap for pair i.
struct gaps_by_rank {
  detail::rank_pairing ranks;

  void begin() { ranks.clear(); }
  template <class T> void add(const pair_logps<T>& y) {
    ranks.add(static_cast<double>(y.chosen.policy - y.rejected.policy), static_cast<double>(y.chosen.reference - y.rejected.reference));
  }
  void finish() { ranks.match(); }
  double value(index pair) const { return ranks.of_a(pair); }
};

/// Alignment via optimal transport, paired (Melnyk et al. 2024, arXiv 2406.05882, eq. 8): the policy's gaps ℓ⁺ − ℓ⁻ are to dominate the
/// reference's as a distribution. Both are sorted over the batch and compared rank by rank: −log σ(βd), d the difference at a rank, with
/// label smoothing as in dpo. Scope: the micro-batch, or the step. NaN log-probabilities are the caller's to keep away.
struct aot {
  double beta = 0.1;           ///< > 0
  double label_smoothing = 0;  ///< in [0, ½)

  using statistic = gaps_by_rank;
  template <class T> TILT_HD T operator()(const pair_logps<T>& y, double reference) const {
    return detail::logistic(constant<T>(beta) * (y.chosen.policy - y.rejected.policy - constant<T>(reference)), label_smoothing);
  }
  static constexpr bool weighable = false;

  static constexpr std::string_view name = "aot", formula = "−log σ(β((ℓ⁺ − ℓ⁻)₍ᵢ₎ − (ℓ⁺_ref − ℓ⁻_ref)₍ᵢ₎)), sorted",
                                    paper = "Melnyk et al. 2024, arXiv 2406.05882";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &aot::beta}, loss_option{"label_smoothing", &aot::label_smoothing});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_smoothing(label_smoothing);
  }
};

/// The chosen and the rejected log-ratios of a batch, paired by rank.
struct log_ratios_by_rank {
  struct values {
    double of_chosen, of_rejected;  ///< what the pair's chosen one meets among the rejected ones, and the other way round
  };
  detail::rank_pairing ranks;

  void begin() { ranks.clear(); }
  template <class T> void add(const pair_logps<T>& y) {
    ranks.add(static_cast<double>(y.chosen.log_ratio()), static_cast<double>(y.rejected.log_ratio()));
  }
  void finish() { ranks.match(); }
  values value(index pair) const { return {ranks.of_a(pair), ranks.of_b(pair)}; }
};

/// The same, unpaired (eq. 10): the chosen log-ratios are to dominate the rejected ones. A pair's value is that of its chosen response's rank;
/// its rejected response meets another chosen one at its own rank, and has its slope from there.
struct aot_unpaired {
  double beta = 0.1;           ///< > 0
  double label_smoothing = 0;  ///< in [0, ½)

  using statistic = log_ratios_by_rank;
  template <class T> TILT_HD T operator()(const pair_logps<T>& y, const log_ratios_by_rank::values& met) const {
    const T b = constant<T>(beta);
    const T chosen = detail::logistic(b * (y.chosen.log_ratio() - constant<T>(met.of_chosen)), label_smoothing);
    const T rejected = detail::logistic(b * (constant<T>(met.of_rejected) - y.rejected.log_ratio()), label_smoothing);
    return chosen + (rejected - detach(rejected));
  }
  static constexpr bool weighable = false;

  static constexpr std::string_view name = "aot_unpaired", formula = "−log σ(β(u⁺₍ᵢ₎ − u⁻₍ᵢ₎)), sorted",
                                    paper = "Melnyk et al. 2024, arXiv 2406.05882";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &aot_unpaired::beta}, loss_option{"label_smoothing", &aot_unpaired::label_smoothing});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_smoothing(label_smoothing);
  }
};

static_assert(pair_loss<aot> && described_loss<aot> && pair_loss<aot_unpaired> && described_loss<aot_unpaired>);

}  // namespace tilt
