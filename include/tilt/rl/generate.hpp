// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <tilt/model/decoder.hpp>
#include <tilt/model/head.hpp>
#include <tilt/rl/generation.hpp>
#include <tilt/train/fingerprint.hpp>
#include <vector>

namespace tilt {

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
    const index sums = tile_sums<T>::size(rows, vocabulary_), scratch = head_scratch(vocabulary_);
    T* const numbers = grown<T>(numbers_, rows * vocabulary_ + rows + 4 * count + sums + scratch * backend_->teams());
    backend_->copy_in(host_integers_.data(), static_cast<index>(host_integers_.size()), integers);
    backend_->copy_in(logits.data(), rows * vocabulary_, numbers);
    T* const normalizer = numbers + rows * vocabulary_;
    T* const out = normalizer + rows;
    const row_targets targets{integers, integers + rows + 1, integers + rows + 1 + count};
    head_memory<T> memory;
    memory.sums = {out + 4 * count, head_tiles(vocabulary_)};
    memory.team = {out + 4 * count + sums, scratch};
    head_outputs_of(*backend_, matrix_of<const T>(numbers, rows, vocabulary_), targets, memory, normalizer,
                    {out, out + count, out + 2 * count, out + 3 * count});
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

/// Samples of some requests that grow together over one cache.
template <class B> class generation {
 public:
  using T = typename B::scalar;

  generation(const transformer<B>& model, const generation_options& options, const decoder_limits& limits, const sample_watcher& watch)
      : options_(&options), watch_(&watch), end_tokens_(options.end_tokens), vocabulary_(model.config().vocab_size),
        decoder_(model, limits), sampler_(options.sampling), scorer_(model.backend(), vocabulary_) {
    if (end_tokens_.empty() && model.config().eos_token_id >= 0) end_tokens_.push_back(model.config().eos_token_id);
  }

  /// The requests from number `first` on, `count` of them.
  void run(std::span<const generation_request> requests, std::size_t first, std::size_t count,
           std::vector<std::vector<generated<T>>>& results) {
    decoder_.clear();
    growing_.clear();
    for (std::size_t r = first; r < first + count; ++r) start(requests[r], r, results[r]);
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
        const growing& g = growing_[i];
        labels_.push_back(sampler_(decoder_.logits(static_cast<index>(i)), g.draws, static_cast<index>(g.sample->tokens.size()),
                                   {g.prompt, g.sample->tokens}));
      }
      score(static_cast<index>(growing_.size()));
      for (std::size_t i = 0; i < growing_.size(); ++i) extend(growing_[i], i);
      std::erase_if(growing_, [](const growing& g) { return g.over(); });
    }
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

  /// The prompt once, the first token of each sample, and a branch for each that goes on.
  void start(const generation_request& request, std::size_t number, std::vector<generated<T>>& samples) {
    samples.assign(static_cast<std::size_t>(request.samples), {});
    if (request.samples == 0) return;
    const index room = room_of(request, *options_);
    const int prompt = decoder_.prompt(request.prompt);
    begin_ = {0, static_cast<std::int32_t>(request.samples)};
    labels_.clear();
    const std::size_t first = growing_.size();
    for (index j = 0; j < request.samples; ++j) {
      const philox draws = draws_of(options_->seed, request.prompt, request.first_sample + static_cast<std::uint64_t>(j));
      labels_.push_back(sampler_(decoder_.logits(0), draws, 0, {request.prompt, {}}));
      growing_.push_back({-1, draws, &samples[static_cast<std::size_t>(j)], request.prompt, room, number, j});
    }
    score(1);
    for (std::size_t j = 0; j < samples.size(); ++j) {
      growing& g = growing_[first + j];
      extend(g, j);
      if (!g.over()) g.branch = decoder_.fork(prompt, room - 1);
    }
    std::erase_if(growing_, [](const growing& g) { return g.over(); });
  }

  void score(index rows) {
    const std::span<const T> first = decoder_.logits(0);  // the rows lie end to end
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

  const generation_options* options_;
  const sample_watcher* watch_;
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
      throw input_error("generation: a prompt has " + std::to_string(prompt) + " tokens, more than the model's " + std::to_string(positions) +
                        " positions; shorten it");
    if (prompt + steps > positions)
      throw input_error("generation: a prompt of " + std::to_string(prompt) + " tokens and " + std::to_string(steps + 1) +
                        " new ones exceed the model's " + std::to_string(positions) + " positions; lower " +
                        (options.max_length == 0 ? "max_new_tokens" : "max_length"));
  }
}

/// Samples continuations: a prompt is computed once and its samples branch from its keys and values. Requests are taken in groups that
/// fit the options' budgets; on a row-exact backend the samples do not depend on the grouping. result[r][j] is sample j of request r.
/// Throws input_error as check_requests does. Allocates.
template <class B>
std::vector<std::vector<generated<typename B::scalar>>> generate(const transformer<B>& model, std::span<const generation_request> requests,
                                                                 const generation_options& options = {}, const sample_watcher& watch = {}) {
  check_requests(model.config(), requests, options);
  const auto steps = [&](const generation_request& r) {
    return detail::room_of(r, options) - 1;
  };  // the last token is sampled but not appended
  const auto cost = [&](const generation_request& r) { return static_cast<index>(r.prompt.size()) + r.samples * steps(r); };
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
      limits.longest = std::max(limits.longest, static_cast<index>(r.prompt.size()) + steps(r));
    }
    limits.cache_tokens = std::max(limits.cache_tokens, tokens);
    limits.new_tokens = std::max(limits.new_tokens, branches);
    limits.segments = std::max(limits.segments, branches + static_cast<index>(at - first));
    group_begin.push_back(at);
  }

  std::vector<std::vector<generated<typename B::scalar>>> results(requests.size());
  if (requests.empty()) return results;
  detail::generation<B> run(model, options, limits, watch);
  for (std::size_t g = 0; g + 1 < group_begin.size(); ++g) run.run(requests, group_begin[g], group_begin[g + 1] - group_begin[g], results);
  return results;
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
