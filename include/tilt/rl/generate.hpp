// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <tilt/model/decoder.hpp>
#include <tilt/model/head.hpp>
#include <tilt/rl/sampling.hpp>
#include <vector>

namespace tilt {

struct generation_options {
  index max_new_tokens = 64;
  sampling_options sampling = {};
  std::uint64_t seed = 42;
  std::vector<token> end_tokens = {};  ///< each ends a sample, which keeps it; none: the model's one; a model without one goes on to max_new_tokens
  index cache_tokens = 16384;   ///< tokens whose keys and values are held at once; one request may exceed it, alone
  index max_branches = 1024;    ///< samples that grow at once; one request may exceed it, alone

  void check() const {
    if (max_new_tokens < 1) throw input_error("max_new_tokens: " + std::to_string(max_new_tokens) + " cannot be used; give 1 or more");
    if (cache_tokens < 1) throw input_error("cache_tokens: " + std::to_string(cache_tokens) + " cannot be used; give 1 or more");
    if (max_branches < 1) throw input_error("max_branches: " + std::to_string(max_branches) + " cannot be used; give 1 or more");
    sampling.check();
  }
};

/// What to generate: `samples` continuations of a prompt. The j-th of them draws from stream first_sample + j of the seed.
struct generation_request {
  std::span<const token> prompt;
  index samples = 1;
  std::uint64_t first_sample = 0;
};

/// A sample: its tokens, and log π(token | all before it) of each, where π is the model itself: neither temperature nor top_k nor top_p
/// is in it. On a row-exact backend these are the bits that `pass` gives for the finished text.
template <class T> struct generated {
  std::vector<token> tokens;
  std::vector<T> logps;
  bool ended = false;  ///< by an end token, which is its last
};

namespace detail {

/// Log-probabilities of labels under rows of logits, by the reduction that the head uses.
template <class B> class label_scorer {
 public:
  using T = typename B::scalar;
  label_scorer(B& backend, index vocabulary) : backend_(&backend), vocabulary_(vocabulary) {}

  /// labels[begin[r], begin[r + 1]) belong to row r of the logits [rows, V], which lie on the host. Gives one value a label.
  std::span<const T> operator()(std::span<const T> logits, std::span<const std::int32_t> begin, std::span<const std::int32_t> labels) {
    const index rows = static_cast<index>(begin.size()) - 1, count = static_cast<index>(labels.size());
    host_integers_.assign(begin.begin(), begin.end());
    for (index i = 0; i < count; ++i) host_integers_.push_back(static_cast<std::int32_t>(i));
    host_integers_.insert(host_integers_.end(), labels.begin(), labels.end());
    std::int32_t* const integers = grown<std::int32_t>(integers_, static_cast<index>(host_integers_.size()));
    T* const numbers = grown<T>(numbers_, rows * vocabulary_ + rows + 4 * count);
    backend_->copy_in(host_integers_.data(), static_cast<index>(host_integers_.size()), integers);
    backend_->copy_in(logits.data(), rows * vocabulary_, numbers);
    T* const normalizer = numbers + rows * vocabulary_;
    T* const out = normalizer + rows;
    const row_targets targets{integers, integers + rows + 1, integers + rows + 1 + count};
    backend_->rows(rows, head_forward_program<T>{matrix_of<const T>(numbers, rows, vocabulary_), 0, targets, normalizer, {out, out + count, out + 2 * count, out + 3 * count}}, {});
    logps_.resize(labels.size());
    backend_->copy_out(out, count, logps_.data());
    return logps_;
  }

 private:
  template <class U> U* grown(std::vector<buffer_of<B, U>>& held, index size) {
    if (held.empty() || static_cast<index>(held[0].size()) < size) {
      held.clear();
      held.push_back(backend_->template allocate<U>(size + size / 2));
    }
    return held[0].data();
  }

  B* backend_;
  index vocabulary_;
  std::vector<buffer_of<B, std::int32_t>> integers_;  // one, or none yet
  std::vector<buffer_of<B, T>> numbers_;
  std::vector<std::int32_t> host_integers_;
  std::vector<T> logps_;
};

/// Samples of some requests that grow together over one cache.
template <class B> class generation {
 public:
  using T = typename B::scalar;

  generation(const transformer<B>& model, const generation_options& options, const decoder_limits& limits)
      : options_(&options), end_tokens_(options.end_tokens), vocabulary_(model.config().vocab_size), decoder_(model, limits), sampler_(options.sampling), scorer_(model.backend(), vocabulary_) {
    if (end_tokens_.empty() && model.config().eos_token_id >= 0) end_tokens_.push_back(model.config().eos_token_id);
  }

  void run(std::span<const generation_request> requests, std::span<std::vector<generated<T>>> results) {
    decoder_.clear();
    growing_.clear();
    for (std::size_t r = 0; r < requests.size(); ++r) start(requests[r], results[r]);
    while (!growing_.empty()) {
      branches_.clear();
      tokens_.clear();
      for (const growing& g : growing_) {
        branches_.push_back(g.branch);
        tokens_.push_back(g.sample->tokens.back());
      }
      decoder_.append(branches_, tokens_);
      begin_.resize(growing_.size() + 1);
      labels_.clear();
      for (std::size_t i = 0; i < growing_.size(); ++i) {
        begin_[i + 1] = static_cast<std::int32_t>(i + 1);
        labels_.push_back(sampler_(decoder_.logits(static_cast<index>(i)), growing_[i].draws, static_cast<index>(growing_[i].sample->tokens.size())));
      }
      score(static_cast<index>(growing_.size()));
      for (std::size_t i = 0; i < growing_.size(); ++i) extend(*growing_[i].sample, i);
      std::erase_if(growing_, [this](const growing& g) { return over(*g.sample); });
    }
  }

 private:
  struct growing {
    int branch;
    philox draws;
    generated<T>* sample;
  };

  /// The prompt once, the first token of each sample, and a branch for each that goes on.
  void start(const generation_request& request, std::vector<generated<T>>& samples) {
    samples.assign(static_cast<std::size_t>(request.samples), {});
    if (request.samples == 0) return;
    const int prompt = decoder_.prompt(request.prompt);
    begin_ = {0, static_cast<std::int32_t>(request.samples)};
    labels_.clear();
    for (index j = 0; j < request.samples; ++j) labels_.push_back(sampler_(decoder_.logits(0), stream(request, j), 0));
    score(1);
    for (index j = 0; j < request.samples; ++j) {
      generated<T>& sample = samples[static_cast<std::size_t>(j)];
      extend(sample, static_cast<std::size_t>(j));
      if (!over(sample)) growing_.push_back({decoder_.fork(prompt, options_->max_new_tokens - 1), stream(request, j), &sample});
    }
  }
  philox stream(const generation_request& request, index sample) const {
    return philox(options_->seed, request.first_sample + static_cast<std::uint64_t>(sample));
  }

  void score(index rows) {
    const std::span<const T> first = decoder_.logits(0);  // the rows lie end to end
    logps_ = scorer_({first.data(), static_cast<std::size_t>(rows * vocabulary_)}, begin_, labels_);
  }
  void extend(generated<T>& sample, std::size_t label) {
    sample.tokens.push_back(labels_[label]);
    sample.logps.push_back(logps_[label]);
    sample.ended = std::find(end_tokens_.begin(), end_tokens_.end(), labels_[label]) != end_tokens_.end();
  }
  bool over(const generated<T>& sample) const { return sample.ended || static_cast<index>(sample.tokens.size()) == options_->max_new_tokens; }

  const generation_options* options_;
  std::vector<token> end_tokens_;
  index vocabulary_;
  decoder<B> decoder_;
  token_sampler sampler_;
  label_scorer<B> scorer_;
  std::vector<growing> growing_;
  std::vector<int> branches_;
  std::vector<token> tokens_;
  std::vector<std::int32_t> begin_, labels_;
  std::span<const T> logps_;
};

}  // namespace detail

/// Samples continuations: a prompt is computed once and its samples branch from its keys and values. Requests are taken in groups that
/// fit the options' budgets; on a row-exact backend the samples do not depend on the grouping. result[r][j] is sample j of request r.
/// Throws input_error where a prompt is empty or leaves no room in the model's positions. Allocates.
template <class B>
std::vector<std::vector<generated<typename B::scalar>>> generate(const transformer<B>& model, std::span<const generation_request> requests, const generation_options& options = {}) {
  options.check();
  const model_config& config = model.config();
  const index steps = options.max_new_tokens - 1;  // the last token is sampled but not appended
  const auto cost = [&](const generation_request& r) { return static_cast<index>(r.prompt.size()) + r.samples * steps; };
  for (const generation_request& r : requests) {
    if (r.prompt.empty()) throw input_error("generation: a prompt has no tokens; begin it with a BOS token");
    if (r.samples < 0) throw input_error("generation: " + std::to_string(r.samples) + " samples cannot be made; give 0 or more");
    if (static_cast<index>(r.prompt.size()) + steps > config.max_position_embeddings)
      throw input_error("generation: a prompt of " + std::to_string(r.prompt.size()) + " tokens and " + std::to_string(options.max_new_tokens) +
                        " new ones exceed the model's " + std::to_string(config.max_position_embeddings) + " positions; lower max_new_tokens");
  }

  std::vector<std::size_t> group_begin{0};
  decoder_limits limits;
  for (std::size_t at = 0; at < requests.size();) {
    index tokens = 0, branches = 0;
    const std::size_t first = at;
    for (; at < requests.size(); ++at) {
      const generation_request& r = requests[at];
      if (at > first && (tokens + cost(r) > options.cache_tokens || branches + r.samples > options.max_branches)) break;
      tokens += cost(r);
      branches += r.samples;
      limits.new_tokens = std::max(limits.new_tokens, static_cast<index>(r.prompt.size()));
      limits.longest = std::max(limits.longest, static_cast<index>(r.prompt.size()) + steps);
    }
    limits.cache_tokens = std::max(limits.cache_tokens, tokens);
    limits.new_tokens = std::max(limits.new_tokens, branches);
    limits.segments = std::max(limits.segments, branches + static_cast<index>(at - first));
    group_begin.push_back(at);
  }

  std::vector<std::vector<generated<typename B::scalar>>> results(requests.size());
  if (requests.empty()) return results;
  detail::generation<B> run(model, options, limits);
  for (std::size_t g = 0; g + 1 < group_begin.size(); ++g) {
    const std::size_t first = group_begin[g], count = group_begin[g + 1] - first;
    run.run(requests.subspan(first, count), std::span(results).subspan(first, count));
  }
  return results;
}

/// `samples` continuations of each prompt; sample j of prompt p is number p·samples + j of the seed's streams.
template <class B>
std::vector<std::vector<generated<typename B::scalar>>> generate(const transformer<B>& model, std::span<const std::vector<token>> prompts, index samples,
                                                                 const generation_options& options = {}) {
  std::vector<generation_request> requests;
  for (const auto& prompt : prompts) requests.push_back({prompt, samples, static_cast<std::uint64_t>(requests.size()) * static_cast<std::uint64_t>(samples)});
  return generate(model, std::span<const generation_request>(requests), options);
}

}  // namespace tilt
