// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tilt/train/fingerprint.hpp>
#include <tilt/train/options.hpp>
#include <tilt/train/reference_cache.hpp>
#include <typeinfo>
#include <utility>
#include <vector>

namespace tilt {

/// KTO's mismatched pairs, as TRL prepares them: the data, in their own order, fall into groups of `group` examples, and an example's
/// prompt is paired with the response before it in its group, the first with the last. The pairing is the data's and not the sampler's,
/// so shuffling changes nothing and the reference can be cached. A last group of one is paired with itself, as in TRL; where TRL has no
/// answer, a group size of 1, the whole data are one group.
struct mismatched_pairs {
  index count = 0;  ///< of examples
  index group = 1;

  index partner(index example) const {
    const index size = group > 1 ? group : count, first = example / size * size, last = (first + size < count ? first + size : count) - 1;
    return example > first ? example - 1 : last;
  }
};

namespace detail {
template <class T> struct mix_body {
  const T* from;
  T* to;
  T share;
  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    using number = typename Lane::number;
    lane.store(to, i, number(share) * lane.load(from, i) + number(T(1) - share) * lane.load(to, i));
  }
};
}  // namespace detail

/// What an objective wants of the reference.
struct reference_needs {
  bool own = true;          ///< log-probabilities of the examples' responses
  bool mismatched = false;  ///< and of other prompts' responses (see mismatched_pairs)
};

/// The model π_ref: where a trainer gets its log-probabilities for the micro-batch at hand. In cached mode it runs once over each set of
/// examples; online it keeps weights of its own and runs beside the policy, on the same packs. It is frozen, but where it is told to follow.
template <class B> class reference_model {
 public:
  using T = typename B::scalar;

  /// `other` null: the policy as it is now.
  reference_model(transformer<B>& policy, transformer<B>* other, reference_needs needs, const training_options& options)
      : source_(other != nullptr ? other : &policy),
        fixed_(other != nullptr),
        needs_(needs),
        max_tokens_(options.max_tokens),
        max_length_(options.max_length),
        // A mismatched pair stays within a training micro-batch, in evaluation too, as in TRL.
        group_(options.batch_size * (options.statistics == statistics_scope::step ? options.gradient_accumulation_steps : 1)) {
    if (!needs_.own) return;
    if (other != nullptr && !other->config().vocabulary_head)
      throw input_error("the reference is a reward model, which predicts no tokens; give a language model");
    weights_ = detail::hash_of(*source_);
    if (options.reference != reference_mode::online) return;
    if (!fixed_ || options.sync_ref_model) source_ = &frozen_.emplace(source_->clone());
    fixed_ = true;
    scoring_.emplace(*source_, pass_kind::inference);
  }
  reference_model(const reference_model&) = delete;

  /// Has log-probabilities outlive the run.
  void store_in(reference_store<T> store) { store_ = std::move(store); }
  /// Is told how far each pass over examples is (trainer::watch_reference).
  void watch(std::function<void(index done, index count, bool mismatched)> watch) { watch_ = std::move(watch); }
  bool stored() const { return static_cast<bool>(store_.find); }

  bool online() const { return scoring_.has_value(); }
  void reserve(const pass_limits& limits) { scoring_->reserve(limits); }

  /// The online reference's own weights go a share of the way to the policy's (TR-DPO; 1: all of it).
  void follow(const transformer<B>& policy, double share) {
    policy.backend().map(policy.size(), detail::mix_body<T>{policy.weights(), frozen_->weights(), static_cast<T>(share)});
  }
  /// Those weights, for checkpoints of a run in which they move.
  std::vector<T> own_weights() const {
    std::vector<T> w(static_cast<std::size_t>(frozen_->size()));
    frozen_->backend().copy_out(std::as_const(*frozen_).weights(), frozen_->size(), w.data());
    return w;
  }
  void restore_weights(const std::vector<T>& w) {
    if (static_cast<index>(w.size()) != frozen_->size())
      throw input_error("checkpoint: it does not hold the reference as it had moved; resume a run that had sync_ref_model");
    frozen_->backend().copy_in(w.data(), frozen_->size(), frozen_->weights());
  }

  /// Hash of the weights that the reference began with, 0 where none are needed.
  std::uint64_t weights_hash() const { return weights_; }

  /// Makes these the examples that `collect` speaks of. A cache that is missing is computed, if the policy is still what it was. Throws
  /// input_error where it is not, or where somebody has changed weights that should be the reference's.
  void select(std::span<const prompt_tree> examples, bool policy_is_initial) {
    look_at(examples);
    selected_ = nullptr;
    if (!needs_.own || online()) return;
    if (policy_is_initial && detail::hash_of(*source_) != weights_)
      throw input_error("the reference: its weights have changed since the trainer was made; make the trainer when they are in place, or take reference online");
    const std::uint64_t data = detail::hash_of(examples);
    for (auto& known : known_)
      if (known->data == data) selected_ = known.get();
    if (selected_ != nullptr) return;
    if (!policy_is_initial && !fixed_)
      throw input_error("evaluation: the reference's log-probabilities of these examples were not computed before training, and its weights "
                        "are gone; give the examples to run() or evaluate() before the first step, or take reference online");
    auto fresh = std::make_unique<known_examples>();
    fresh->data = data;
    fresh->own = log_probabilities(false);
    if (needs_.mismatched) fresh->mismatched = log_probabilities(true);
    selected_ = known_.emplace_back(std::move(fresh)).get();
  }

  /// Makes these the examples that `add_mismatched` speaks of.
  void look_at(std::span<const prompt_tree> examples) {
    examples_ = examples;
    pairs_ = {static_cast<index>(examples.size()), group_};
  }
  /// Bytes of the log-probabilities that a cached reference keeps of examples.
  index cache_bytes(std::span<const prompt_tree> examples) const {
    index targets = 0;
    for (const prompt_tree& tree : examples)
      for (const response& r : tree.responses) targets += static_cast<index>(r.tokens.size());
    return needs_.own && !online() ? targets * static_cast<index>(sizeof(T)) : 0;
  }
  /// What the packs of examples meet at most while a cached reference scores them; nothing where it is online, or the store has them.
  pass_limits scoring_limits(std::span<const prompt_tree> examples) {
    pass_limits limits;
    if (!needs_.own || online()) return limits;
    look_at(examples);
    for (const bool mismatched : {false, true}) {
      if (mismatched && !needs_.mismatched) continue;
      pass_limits of_these = limits;
      const response_places places = lay_out_examples(pairs_.count, max_tokens_, laying_down(mismatched), [&](const packed_trees& pack, index) {
        of_these = max(of_these, pass_limits::of(pack));
      });
      if (!stored() || !store_.holds(key_of(mismatched), places.count())) limits = of_these;
    }
    return limits;
  }
  /// Bytes of an online reference's arena within the limits.
  index arena_bytes(const pass_limits& limits) { return online() ? scoring_->memory(limits).total() : 0; }
  /// Bytes of weights of its own, beside the policy's.
  index weights_bytes() const { return fixed_ ? source_->size() * static_cast<index>(sizeof(T)) : 0; }

  /// Lays down example i's prompt with its partner's response, cut to max_length as TRL does.
  void add_mismatched(tree_packs& packs, index i) const {
    const prompt_tree& tree = examples_[static_cast<std::size_t>(i)];
    const response& other = examples_[static_cast<std::size_t>(pairs_.partner(i))].responses[0];
    std::span<const token> tokens = other.uncut.empty() ? other.tokens : other.uncut;  // TRL pairs first and cuts then
    const auto room = max_length_ - static_cast<index>(tree.prompt.size());
    if (max_length_ > 0 && room > 0 && static_cast<index>(tokens.size()) > room) tokens = tokens.first(static_cast<std::size_t>(room));
    packs.add(tree.prompt, {&tokens, 1}, tree.line);
  }

  /// The reference's log-probabilities of a micro-batch's response tokens, in order; `packs` hold the members' trees.
  void collect(const tree_packs& packs, std::span<const index> members, std::vector<T>& logps) {
    logps.clear();
    if (!online()) {
      for (const index i : members) append(logps, selected_->own.logps(i));
      return;
    }
    for (index p = 0; p < packs.size(); ++p) {
      scoring_->forward(packs[p]);
      append(logps, scoring_->logps());
    }
  }
  /// The sums over each mismatched response; `packs` hold the members' mismatched pairs.
  void collect_mismatched(const tree_packs& packs, std::span<const index> members, std::vector<double>& sums) {
    sums.clear();
    if (!online()) {
      for (const index i : members) sums.push_back(sum_of(selected_->mismatched.logps(i)));
      return;
    }
    for (index p = 0; p < packs.size(); ++p) {
      scoring_->forward(packs[p]);
      append_sums(scoring_->logps(), packs[p], sums);
    }
  }
  static void append_sums(std::span<const T> logps, const packed_trees& pack, std::vector<double>& sums) {
    for (std::size_t r = 0; r + 1 < pack.response_begin.size(); ++r) {
      const auto begin = static_cast<std::size_t>(pack.response_begin[r]), end = static_cast<std::size_t>(pack.response_begin[r + 1]);
      sums.push_back(sum_of(logps.subspan(begin, end - begin)));
    }
  }

 private:
  struct known_examples {
    std::uint64_t data = 0;  // their hash
    reference_cache<T> own, mismatched;
  };
  auto laying_down(bool mismatched) const {
    return [this, mismatched](tree_packs& packs, index i) {
      if (mismatched)
        add_mismatched(packs, i);
      else
        packs.add(examples_[static_cast<std::size_t>(i)]);
    };
  }
  /// Of the examples that are looked at: out of the store, or else computed and kept there.
  reference_cache<T> log_probabilities(bool mismatched) {
    if (!store_.find) return computed(mismatched);
    const reference_key key = key_of(mismatched);
    response_places places = lay_out_examples(pairs_.count, max_tokens_, laying_down(mismatched), [](const packed_trees&, index) {});
    if (auto kept = store_.find(key, places.count())) return {std::move(places), std::move(*kept)};
    reference_cache<T> fresh = computed(mismatched);
    store_.keep(key, fresh.logps());
    return fresh;
  }
  reference_cache<T> computed(bool mismatched) {
    const auto tell = [this, mismatched](index done) {
      if (watch_) watch_(done, pairs_.count, mismatched);
    };
    tell(0);
    return score_examples(*source_, pairs_.count, max_tokens_, laying_down(mismatched), tell);
  }
  static std::string backend_text() {
    if constexpr (requires { B::name; })
      return B::name;
    else
      return typeid(B).name();
  }
  reference_key key_of(bool mismatched) const {
    reference_key key{{"weights", std::to_string(weights_)},
                      {"config", std::to_string(detail::hash_of(source_->config()))},
                      {"tokens", std::to_string(detail::hash_of_tokens(examples_))},
                      {"dtype", "float" + std::to_string(8 * sizeof(T))},
                      {"backend", backend_text()},
                      {"build", detail::build_text()}};
    if (mismatched) key.push_back({"mismatched", std::to_string(group_) + " of at most " + std::to_string(max_length_)});
    if (!B::row_exact) key.push_back({"max_tokens", std::to_string(max_tokens_)});  // a row then depends on its pack
    return key;
  }
  static void append(std::vector<T>& to, std::span<const T> from) { to.insert(to.end(), from.begin(), from.end()); }

  transformer<B>* source_;
  bool fixed_;  // whether the source keeps its weights while the policy trains
  reference_needs needs_;
  index max_tokens_, max_length_, group_;
  std::uint64_t weights_ = 0;
  reference_store<T> store_;
  std::function<void(index done, index count, bool mismatched)> watch_;
  std::optional<transformer<B>> frozen_;
  std::optional<pass<B>> scoring_;
  std::vector<std::unique_ptr<known_examples>> known_;
  known_examples* selected_ = nullptr;
  std::span<const prompt_tree> examples_;
  mismatched_pairs pairs_;
};

}  // namespace tilt
