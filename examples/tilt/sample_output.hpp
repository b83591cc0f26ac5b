// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tilt/io/text_stream.hpp>
#include <tilt/rl/generation.hpp>
#include <utility>
#include <vector>

#include "prompts.hpp"
#include "text_io.hpp"

namespace tilt::program {

/// Writes samples in order while they grow together: of the first that is not complete each piece of text as soon as it is certain, the
/// others when it is their turn.
class sample_output {
 public:
  struct form {
    std::vector<std::string> stop_strings = {};
    bool json = false;         ///< an object a sample
    bool with_prompt = false;  ///< before the text
  };
  sample_output(const tokenizer& words, const std::vector<prompt_text>& prompts, index samples, form how, result_writer& results)
      : words_(&words), prompts_(&prompts), samples_(static_cast<std::size_t>(samples)), how_(std::move(how)), results_(&results),
        all_(prompts.size() * samples_) {}

  /// True where the text has come to a stop string.
  bool add(const sampled_token& t) {
    const std::size_t number = t.request * samples_ + static_cast<std::size_t>(t.sample);
    std::optional<sample>& s = all_[number];
    if (!s) s.emplace(sample{text_stream(*words_, (*prompts_)[t.request].ids, how_.stop_strings), {}, {}, {}, nullptr});
    s->ids.push_back(t.id);
    s->logps.push_back(t.logp);
    s->unseen += s->text.append(t.id);
    const bool stopped = s->text.stopped();
    if (stopped || t.last) {
      s->unseen += s->text.finish();
      s->finish_reason = t.ended ? "eos" : stopped ? "stop" : "length";
    }
    if (number == current_) {
      show();
      results_->show();
    }
    return stopped;
  }

 private:
  struct sample {
    text_stream text;
    std::vector<token> ids;
    std::vector<double> logps;
    std::string unseen;
    const char* finish_reason;  // null while it grows
  };

  void show() {
    for (; current_ < all_.size() && all_[current_]; ++current_) {
      sample& s = *all_[current_];
      const prompt_text& prompt = (*prompts_)[current_ / samples_];
      if (!how_.json) {
        if (!std::exchange(begun_, true)) results_->write(heading() + (how_.with_prompt ? prompt.shown : std::string()));
        results_->write(std::exchange(s.unseen, {}));
      }
      if (s.finish_reason == nullptr) return;
      results_->write((how_.json ? line_of(prompt, s) : std::string()) + "\n");
      begun_ = false;
      all_[current_].reset();
    }
  }
  /// A line above a text that is not the only one.
  std::string heading() const {
    if (all_.size() < 2) return {};
    std::string line = "---";
    if (prompts_->size() > 1) line += " prompt " + std::to_string(current_ / samples_ + 1) + " of " + std::to_string(prompts_->size());
    if (samples_ > 1)
      line += (prompts_->size() > 1 ? ", sample " : " sample ") + std::to_string(current_ % samples_ + 1) + " of " + std::to_string(samples_);
    return line + "\n";
  }
  static std::string line_of(const prompt_text& prompt, const sample& s) {
    double logp = 0;
    for (const double l : s.logps) logp += l;
    const nlohmann::ordered_json line{
        {"prompt", prompt.shown}, {"completion", s.text.text()},     {"prompt_ids", prompt.ids}, {"ids", s.ids}, {"token_logps", s.logps},
        {"logp", logp},           {"finish_reason", s.finish_reason}};
    return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }

  const tokenizer* words_;
  const std::vector<prompt_text>* prompts_;
  std::size_t samples_;
  form how_;
  result_writer* results_;
  std::vector<std::optional<sample>> all_;  // of each prompt its samples
  std::size_t current_ = 0;
  bool begun_ = false;
};

}  // namespace tilt::program
