// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <tilt/io/tokenizer.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// The text that a growing sequence of tokens adds to its prompt, piece by piece as it becomes certain, and cut before the first of some stop
/// strings. At the end it is what decoding everything at once adds to the decoded prompt. Special tokens spell nothing. A piece waits
/// while its last character may go on in the next token, or while it may be the beginning of a stop string. O(1) tokens are decoded a step.
class text_stream {
 public:
  /// Throws input_error where a stop string is empty.
  text_stream(const tokenizer& words, std::span<const token> prompt, std::vector<std::string> stops = {})
      : words_(&words), stops_(std::move(stops)), window_(prompt.begin(), prompt.end()) {
    for (const std::string& s : stops_)
      if (s.empty()) throw input_error("stop: an empty text would stop every answer before its first token; give one with characters");
    begun_ = words.decode(window_, true);
    known_ = window_.size();
  }

  /// The piece of text that has become certain with this token; valid until the next call. Empty once stopped.
  std::string_view append(token next) {
    if (stopped_) return {};
    window_.push_back(next);
    std::string whole = words_->decode(window_, true);
    if (!whole.starts_with(begun_)) {  // the prompt ends within a character, which then is the continuation's
      window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(std::exchange(known_, 0)));
      begun_.clear();
      whole = words_->decode(window_, true);
    }
    const std::size_t before = text_.size();
    text_ += whole.substr(begun_.size());
    if (find_stop(before)) return emit(text_.size());
    if (!certain(whole)) {  // taken back until the character is complete
      pending_ = text_.substr(before);
      text_.resize(before);
      return {};
    }
    pending_.clear();
    advance();
    return emit(text_.size() - possible_stop());
  }

  /// The rest, once no token follows.
  std::string_view finish() {
    text_ += pending_;
    pending_.clear();
    return emit(text_.size());
  }

  bool stopped() const { return stopped_; }
  /// All of it that is certain; after `finish`, all.
  const std::string& text() const { return text_; }

 private:
  /// Whether no further token changes what these spell: a character may be incomplete at the end, and a run of byte tokens is read as one.
  bool certain(const std::string& decoded) const {
    for (std::size_t i = window_.size(); i-- > 0;) {
      if (words_->is_special(window_[i])) continue;
      const std::string& last = words_->id_to_token(window_[i]);
      if (last.size() == 6 && last.starts_with("<0x") && last.back() == '>') return false;
      break;
    }
    return !decoded.ends_with("\xEF\xBF\xBD");
  }

  bool find_stop(std::size_t before) {
    std::size_t at = std::string::npos;
    for (const std::string& s : stops_) at = std::min(at, text_.find(s, before - std::min(before, s.size() - 1)));
    if (at == std::string::npos) return false;
    text_.resize(at);
    pending_.clear();
    return stopped_ = true;
  }

  /// Bytes at the end with which a stop string may begin.
  std::size_t possible_stop() const {
    std::size_t longest = 0;
    for (const std::string& s : stops_)
      for (std::size_t n = std::min(s.size() - 1, text_.size()); n > longest; --n)
        if (std::string_view(text_).substr(text_.size() - n) == std::string_view(s).substr(0, n)) longest = n;
    return longest;
  }

  /// Tokens that were certain before these need not be decoded again, so long as those that stay spell something: decoders treat what
  /// stands first on its own.
  void advance() {
    const std::vector<token> fresh(window_.begin() + static_cast<std::ptrdiff_t>(known_), window_.end());
    std::string alone = words_->decode(fresh, true);
    if (alone.empty()) {
      begun_ = words_->decode(window_, true);
    } else {
      window_ = fresh;
      begun_ = std::move(alone);
    }
    known_ = window_.size();
  }

  std::string_view emit(std::size_t end) {
    const std::size_t begin = std::exchange(emitted_, std::max(emitted_, end));
    return std::string_view(text_).substr(begin, emitted_ - begin);
  }

  const tokenizer* words_;
  std::vector<std::string> stops_;
  std::vector<token> window_;  // the last tokens, of which the first known_ spell begun_
  std::size_t known_ = 0;
  std::string begun_, text_, pending_;
  std::size_t emitted_ = 0;
  bool stopped_ = false;
};

}  // namespace tilt
