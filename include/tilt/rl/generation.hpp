// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <tilt/error.hpp>
#include <tilt/rl/sampling.hpp>
#include <vector>

namespace tilt {

struct generation_options {
  index max_new_tokens = 64;
  index max_length = 0;  ///< tokens of a prompt and its continuation together; 0: only max_new_tokens bounds them
  sampling_options sampling = {};
  std::uint64_t seed = 42;
  std::vector<token> end_tokens =
      {};                      ///< each ends a sample, which keeps it; none: the model's one; a model without one goes on to max_new_tokens
  index cache_tokens = 16384;  ///< tokens whose keys and values are held at once; one request may exceed it, alone
  index max_branches = 1024;   ///< samples that grow at once; one request may exceed it, alone

  void check() const {
    if (max_new_tokens < 1) throw input_error("max_new_tokens: " + std::to_string(max_new_tokens) + " cannot be used; give 1 or more");
    if (max_length < 0)
      throw input_error("max_length: " + std::to_string(max_length) + " cannot be used; give 1 or more, or 0 for no bound");
    if (cache_tokens < 1) throw input_error("cache_tokens: " + std::to_string(cache_tokens) + " cannot be used; give 1 or more");
    if (max_branches < 1) throw input_error("max_branches: " + std::to_string(max_branches) + " cannot be used; give 1 or more");
    sampling.check();
  }
};

/// What to generate: `samples` continuations of a prompt, its numbers first_sample, first_sample + 1, …. A sample is a function of seed, prompt
/// and its number: it draws from that stream of a generator whose key is made of the seed and the prompt's tokens.
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
  bool ended = false;    ///< by an end token, which is its last
  bool stopped = false;  ///< by the watcher
};

/// A token that a sample has got.
struct sampled_token {
  std::size_t request;
  index sample;  ///< among the request's
  token id;
  double logp;
  bool ended;  ///< it is an end token
  bool last;   ///< it is one, or the last that there is room for
};
/// Is told of every token, step by step and within a step in the order of requests and samples. True stops the sample there, for a reason that
/// tokens alone do not tell, as its text's.
using sample_watcher = std::function<bool(const sampled_token&)>;

/// Requests for `samples` continuations of each prompt, numbered from 0. A prompt that was there before goes on with that one's numbers, so
/// that a prompt given twice has different samples, the same as if it were given once for twice as many.
inline std::vector<generation_request> requests_of(std::span<const std::vector<token>> prompts, index samples) {
  std::vector<generation_request> requests;
  std::map<std::vector<token>, std::uint64_t> begun;
  for (const auto& prompt : prompts) {
    std::uint64_t& next = begun[prompt];
    requests.push_back({prompt, samples, next});
    next += static_cast<std::uint64_t>(std::max<index>(samples, 0));
  }
  return requests;
}

}  // namespace tilt
