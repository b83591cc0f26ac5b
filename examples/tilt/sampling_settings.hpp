// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <tilt/rl/sampling.hpp>

#include "settings.hpp"

namespace tilt::program {

/// The options by which tokens are chosen, but for the temperature, and how far texts go.
struct text_options {
  sampling_options sampling;
  index max_new_tokens = 64, max_length = 0;
  std::vector<std::string> stop_strings;

  void add(settings& options) {
    options.add("max_new_tokens", max_new_tokens, "tokens of a text at most; the end token ends it before");
    options.add("max_length", max_length, "tokens of prompt and text together at most, instead; 0: no bound");
    options.add("stop_strings", stop_strings, "a text ends before the first of these; the tokens that spell it are the last").also("stop");
    options.add("top_k", sampling.top_k, "only the k most probable tokens; 0: all");
    options.add("top_p", sampling.top_p, "of these the most probable that have this share together");
    options.add("min_p", sampling.min_p, "of these the ones with this share of the largest probability");
    options.add("repetition_penalty", sampling.repetition_penalty,
                "before all, divides the positive logits of tokens that the text has, and multiplies the negative ones");
  }

  /// After the options were applied. Throws input_error by the name that the user wrote.
  void check(settings& options) {
    if (options.given("max_new_tokens") && options.given("max_length"))
      options.refuse("max_length", "max_new_tokens bounds the text already");
    if (max_new_tokens < 1)
      throw input_error(options["max_new_tokens"].source + ": " + std::to_string(max_new_tokens) + " cannot be used; give 1 or more");
    if (max_length < 0)
      throw input_error(options["max_length"].source + ": " + std::to_string(max_length) +
                        " cannot be used; give 1 or more, or 0 for no bound");
    if (max_length > 0) max_new_tokens = max_length;
    for (const std::string& s : stop_strings)
      if (s.empty())
        throw input_error(options["stop_strings"].source + ": a text without characters would stop every answer; give one with characters");
    try {
      sampling.check();
    } catch (const input_error& e) { throw input_error(options.reword(e.what())); }
  }
};

}  // namespace tilt::program
