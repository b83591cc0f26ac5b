// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <tilt/model/decoder.hpp>
#include <tilt/rl/generation.hpp>
#include <tilt/rl/label_scorer.hpp>
#include <tilt/train/fingerprint.hpp>
#include <utility>
#include <vector>

namespace tilt {

namespace detail {

/// Tokens that a request's samples may have, of which the last is sampled but not appended.
inline index room_of(const generation_request& request, const generation_options& options) {
  if (options.max_length == 0) return options.max_new_tokens;
  return std::min(options.max_new_tokens, options.max_length - static_cast<index>(request.prompt.size()));
}

/// A sample's draws. The key is mixed by the generator itself, so that seeds and prompts that are alike have streams that are not.
inline philox draws_of(std::uint64_t seed, std::span<const token> prompt, std::uint64_t sample) {
  fingerprint text;
  text.add(prompt);
  const philox::words key = philox(seed, text.value())(0);
  return philox(std::uint64_t{key[0]} << 32 | key[1], sample);
}

}  // namespace detail

/// That each request can be sampled: throws input_error where a prompt is empty or leaves no room in max_length or the model's positions.
inline void check_requests(const model_config& config, std::span<const generation_request> requests, const generation_options& options) {
  options.check();
  for (const generation_request& r : requests) {
    const index steps = detail::room_of(r, options) - 1, prompt = static_cast<index>(r.prompt.size()),
                positions = config.max_position_embeddings;
    if (r.prompt.empty()) throw input_error("generation: a prompt has no tokens; begin it with a BOS token");
    if (r.samples < 0) throw input_error("generation: " + std::to_string(r.samples) + " samples cannot be made; give 0 or more");
    if (steps < 0)
      throw input_error("max_length: a prompt has " + std::to_string(prompt) + " tokens, which leave no room for others in " +
                        std::to_string(options.max_length) + "; raise it or shorten the prompt");
    if (prompt > positions)
      throw input_error("generation: a prompt has " + std::to_string(prompt) + " tokens, more than the model's " +
                        std::to_string(positions) + " positions; shorten it");
    if (prompt + steps > positions)
      throw input_error("generation: a prompt of " + std::to_string(prompt) + " tokens and " + std::to_string(steps + 1) +
                        " new ones exceed the model's " + std::to_string(positions) + " positions; lower " +
                        (options.max_length == 0 ? "max_new_tokens" : "max_length"));
  }
}

/// Samples continuations: a prompt is computed once and its samples branch from its keys and values. Requests are taken in groups that
/// fit the options' budgets; on a row-exact backend the samples do not depend on the grouping. Memory is kept from one call to the next, and
/// the model's weights are those at the call. The model must outlive it.
template <class B> class generator {
 public:
  using T = typename B::scalar;

  explicit generator(const transformer<B>& model, generation_options options = {})
      : model_(&model), options_((options.check(), std::move(options))), end_tokens_(options_.end_tokens),
        vocabulary_(model.config().vocab_size), sampler_(options_.sampling), scorer_(model.backend(), vocabulary_) {
    if (end_tokens_.empty() && model.config().eos_token_id >= 0) end_tokens_.push_back(model.config().eos_token_id);
  }

  /// Makes room: calls of so many requests at most, with such prompts and samples each, then allocate nothing.
  void reserve(index requests, index longest_prompt, index samples) {
    const index steps = options_.max_new_tokens - 1, one = longest_prompt + samples * steps;
    const index branches = std::min(requests * samples, std::max(options_.max_branches, samples));
    require({.cache_tokens = std::min(requests * one, std::max(options_.cache_tokens, one)),
             .new_tokens = std::max(longest_prompt, branches),
             .segments = branches + requests,
             .longest = longest_prompt + steps});
    scorer_.reserve(branches, branches);
    growing_.reserve(static_cast<std::size_t>(branches));
    branches_.reserve(static_cast<std::size_t>(branches));
    for (auto* v : {&tokens_, &labels_}) v->reserve(static_cast<std::size_t>(branches));
    begin_.reserve(static_cast<std::size_t>(branches) + 1);
    group_begin_.reserve(static_cast<std::size_t>(requests) + 1);
    results_.resize(std::max(results_.size(), static_cast<std::size_t>(requests)));
    for (auto& of_request : results_) {
      of_request.resize(std::max(of_request.size(), static_cast<std::size_t>(samples)));
      for (generated<T>& sample : of_request) {
        sample.tokens.reserve(static_cast<std::size_t>(options_.max_new_tokens));
        sample.logps.reserve(static_cast<std::size_t>(options_.max_new_tokens));
      }
    }
  }

  /// result[r][j] is sample j of request r; theirs until the next call. Throws input_error as check_requests does.
  std::span<std::vector<generated<T>>> operator()(std::span<const generation_request> requests, const sample_watcher& watch = {}) {
    check_requests(model_->config(), requests, options_);
    watch_ = &watch;
    results_.resize(std::max(results_.size(), requests.size()));
    const decoder_limits limits = group(requests);
    if (requests.empty()) return {};
    require(limits);
    for (std::size_t g = 0; g + 1 < group_begin_.size(); ++g) run(requests, group_begin_[g], group_begin_[g + 1]);
    return std::span(results_).first(requests.size());
  }

 private:
  struct growing {
    int branch;
    philox draws;
    generated<T>* sample;
    std::span<const token> prompt;
    index room;
    std::size_t request;
    index number;  // among the request's samples

    bool over() const { return sample->ended || sample->stopped || static_cast<index>(sample->tokens.size()) == room; }
  };

  /// Parts the requests into groups, and tells what the largest ones need.
  decoder_limits group(std::span<const generation_request> requests) {
    group_begin_.assign(1, 0);
    decoder_limits limits;
    for (std::size_t at = 0; at < requests.size();) {
      index tokens = 0, branches = 0;
      const std::size_t first = at;
      for (; at < requests.size(); ++at) {
        const generation_request& r = requests[at];
        const index prompt = static_cast<index>(r.prompt.size());
        const index steps = detail::room_of(r, options_) - 1;  // the last token is sampled but not appended
        const index cost = prompt + r.samples * steps;
        if (at > first && (tokens + cost > options_.cache_tokens || branches + r.samples > options_.max_branches)) break;
        tokens += cost;
        branches += r.samples;
        limits.new_tokens = std::max(limits.new_tokens, prompt);
        limits.longest = std::max(limits.longest, prompt + steps);
      }
      limits.cache_tokens = std::max(limits.cache_tokens, tokens);
      limits.new_tokens = std::max(limits.new_tokens, branches);
      limits.segments = std::max(limits.segments, branches + static_cast<index>(at - first));
      group_begin_.push_back(at);
    }
    return limits;
  }

  /// A decoder with these limits at least.
  void require(const decoder_limits& l) {
    const decoder_limits all{.cache_tokens = std::max(limits_.cache_tokens, l.cache_tokens),
                             .new_tokens = std::max(limits_.new_tokens, l.new_tokens),
                             .segments = std::max(limits_.segments, l.segments),
                             .longest = std::max(limits_.longest, l.longest)};
    if (decoder_ && all == limits_) return;
    decoder_.reset();  // its memory first
    limits_ = all;
    decoder_.emplace(*model_, limits_);
  }

  /// The requests [first, end), whose samples grow together.
  void run(std::span<const generation_request> requests, std::size_t first, std::size_t end) {
    decoder_->clear();
    growing_.clear();
    for (std::size_t r = first; r < end; ++r) start(requests[r], r, results_[r]);
    while (!growing_.empty()) {
      branches_.clear();
      tokens_.clear();
      for (const growing& g : growing_) {
        branches_.push_back(g.branch);
        tokens_.push_back(g.sample->tokens.back());
      }
      decoder_->append(branches_, tokens_);
      begin_.resize(growing_.size() + 1);
      labels_.clear();
      for (std::size_t i = 0; i < growing_.size(); ++i) {
        begin_[i + 1] = static_cast<std::int32_t>(i + 1);
        const growing& g = growing_[i];
        labels_.push_back(sampler_(decoder_->logits(static_cast<index>(i)), g.draws, static_cast<index>(g.sample->tokens.size()),
                                   {g.prompt, g.sample->tokens}));
      }
      score(static_cast<index>(growing_.size()));
      for (std::size_t i = 0; i < growing_.size(); ++i) extend(growing_[i], i);
      std::erase_if(growing_, [](const growing& g) { return g.over(); });
    }
  }

  /// The prompt once, the first token of each sample, and a branch for each that goes on.
  void start(const generation_request& request, std::size_t number, std::vector<generated<T>>& samples) {
    samples.resize(static_cast<std::size_t>(request.samples));
    for (generated<T>& s : samples) {
      s.tokens.clear();
      s.logps.clear();
      s.ended = s.stopped = false;
    }
    if (request.samples == 0) return;
    const index room = detail::room_of(request, options_);
    const int prompt = decoder_->prompt(request.prompt);
    begin_.assign({0, static_cast<std::int32_t>(request.samples)});
    labels_.clear();
    const std::size_t first = growing_.size();
    for (index j = 0; j < request.samples; ++j) {
      const philox draws = detail::draws_of(options_.seed, request.prompt, request.first_sample + static_cast<std::uint64_t>(j));
      labels_.push_back(sampler_(decoder_->logits(0), draws, 0, {request.prompt, {}}));
      growing_.push_back({-1, draws, &samples[static_cast<std::size_t>(j)], request.prompt, room, number, j});
    }
    score(1);
    for (std::size_t j = 0; j < samples.size(); ++j) {
      growing& g = growing_[first + j];
      extend(g, j);
      if (!g.over()) g.branch = decoder_->fork(prompt, room - 1);
    }
    std::erase_if(growing_, [](const growing& g) { return g.over(); });
  }

  void score(index rows) {
    const std::span<const T> first = decoder_->logits(0);  // the rows lie end to end
    logps_ = scorer_({first.data(), static_cast<std::size_t>(rows * vocabulary_)}, begin_, labels_);
  }
  void extend(const growing& g, std::size_t label) {
    generated<T>& sample = *g.sample;
    sample.tokens.push_back(labels_[label]);
    sample.logps.push_back(logps_[label]);
    sample.ended = std::find(end_tokens_.begin(), end_tokens_.end(), labels_[label]) != end_tokens_.end();
    if (*watch_ && (*watch_)({g.request, g.number, labels_[label], static_cast<double>(logps_[label]), sample.ended, g.over()}))
      sample.stopped = !sample.ended;
  }

  const transformer<B>* model_;
  generation_options options_;
  std::vector<token> end_tokens_;
  index vocabulary_;
  token_sampler sampler_;
  detail::label_scorer<B> scorer_;
  decoder_limits limits_;
  std::optional<decoder<B>> decoder_;
  std::vector<std::vector<generated<T>>> results_;
  const sample_watcher* watch_ = nullptr;
  std::vector<growing> growing_;
  std::vector<int> branches_;
  std::vector<token> tokens_;
  std::vector<std::size_t> group_begin_;
  std::vector<std::int32_t> begin_, labels_;
  std::span<const T> logps_;
};

/// The same, once. Allocates.
template <class B>
std::vector<std::vector<generated<typename B::scalar>>> generate(const transformer<B>& model, std::span<const generation_request> requests,
                                                                 const generation_options& options = {}, const sample_watcher& watch = {}) {
  generator<B> run(model, options);
  const auto made = run(requests, watch);
  return {std::make_move_iterator(made.begin()), std::make_move_iterator(made.end())};
}

/// `samples` continuations of each prompt.
template <class B>
std::vector<std::vector<generated<typename B::scalar>>> generate(const transformer<B>& model, std::span<const std::vector<token>> prompts,
                                                                 index samples, const generation_options& options = {},
                                                                 const sample_watcher& watch = {}) {
  const std::vector<generation_request> requests = requests_of(prompts, samples);
  return generate(model, std::span<const generation_request>(requests), options, watch);
}

}  // namespace tilt
