// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <tilt/scalar/categorical.hpp>
#include <tilt/scalar/philox.hpp>
#include <tilt/theory/tilted.hpp>
#include <vector>

namespace tilt::program {

/// A small world of sentences, "my cheerful baker | was very kind and brave .", in which everything is known: the grammar has a few
/// thousand ways to complete a beginning, each with its probability, and the reward of a text is a sum of its words' scores, turned
/// round by "not" and "never" and strengthened by "very". What is no sentence of the grammar has one reward, a bad one.
class demo_world {
 public:
  struct completion {
    std::vector<token> tokens;  ///< the full stop, which ends the text, included
    double reward = 0;
  };
  struct beginning {
    std::vector<token> tokens;
    std::size_t mood = 0;  ///< which of the completions' distributions holds
  };

  static constexpr token full_stop = 0;
  static constexpr double nonsense_reward = -2;  ///< of everything that is no sentence

  demo_world() {
    word(".");
    list_completions();
    list_beginnings();
    for (std::size_t c = 0; c < completions_.size(); ++c) by_tokens_[completions_[c].tokens] = c;
    for (const completion& c : completions_) longest_ = std::max(longest_, c.tokens.size());
  }

  index vocabulary() const { return static_cast<index>(words_.size()); }
  const std::vector<beginning>& beginnings() const { return beginnings_; }
  const std::vector<completion>& completions() const { return completions_; }
  /// Tokens of the longest completion.
  index longest() const { return static_cast<index>(longest_); }
  /// Probability of each completion after a beginning of this mood.
  const std::vector<double>& probabilities(std::size_t mood) const { return probabilities_[mood]; }

  bool is_sentence(const std::vector<token>& tokens) const { return by_tokens_.contains(tokens); }
  double reward(const std::vector<token>& tokens) const {
    const auto found = by_tokens_.find(tokens);
    return found == by_tokens_.end() ? nonsense_reward : completions_[found->second].reward;
  }

  /// A completion drawn from the language.
  const completion& draw(const beginning& b, const philox& draws, std::uint64_t counter) const {
    const auto& p = probabilities_[b.mood];
    return completions_[static_cast<std::size_t>(categorical(p.data(), static_cast<index>(p.size()), uniform(draws, counter)))];
  }

  std::string text(const std::vector<token>& tokens) const {
    std::string text;
    for (const token t : tokens) text += (text.empty() ? "" : " ") + words_[static_cast<std::size_t>(t)];
    return text;
  }

 private:
  struct scored {
    std::string_view word;
    int tenths;  // whole numbers, so that equal rewards are equal to the bit
  };
  struct temper {
    std::string_view adjective;
    double sunniness;  // the language's own taste: a word of score s is exp(sunniness·s) times as frequent
  };

  static constexpr scored adjectives[] = {{"kind", 16}, {"happy", 12}, {"brave", 10}, {"gentle", 8}, {"wise", 6}, {"calm", 4},
                                          {"tired", -4}, {"bored", -6}, {"lazy", -8}, {"angry", -10}, {"rude", -12}, {"cruel", -16}};
  static constexpr scored verbs[] = {{"helped", 14}, {"praised", 12}, {"thanked", 10}, {"met", 0}, {"watched", 0}, {"ignored", -8}, {"scolded", -10}, {"cheated", -16}};
  static constexpr scored manners[] = {{"", 0}, {"warmly", 8}, {"gladly", 6}, {"quietly", 0}, {"slowly", 0}, {"coldly", -6}, {"meanly", -8}};
  static constexpr std::string_view copulas[] = {"was", "seemed", "felt"};
  static constexpr std::string_view others[] = {"children", "stranger", "king", "widow", "judge", "dog"};
  static constexpr std::string_view times[] = {"", "today", "again", "twice"};
  static constexpr std::string_view determiners[] = {"the", "my", "our", "that"};
  static constexpr temper moods[] = {{"old", 0}, {"young", 0.15}, {"cheerful", 0.5}, {"grumpy", -0.5}};
  static constexpr std::string_view people[] = {"baker", "sailor", "teacher", "doctor", "farmer", "painter", "singer", "neighbour"};

  token word(std::string_view text) {
    const auto [at, fresh] = ids_.try_emplace(std::string(text), static_cast<token>(words_.size()));
    if (fresh) words_.emplace_back(text);
    return at->second;
  }

  void add(std::vector<std::string_view> words, int tenths, double frequency) {
    completion c;
    for (const std::string_view w : words)
      if (!w.empty()) c.tokens.push_back(word(w));
    c.tokens.push_back(full_stop);
    c.reward = tenths / 10.0;
    completions_.push_back(std::move(c));
    frequencies_.push_back(frequency);
  }

  void list_completions() {
    for (const std::string_view copula : copulas)
      for (const bool negated : {false, true})
        for (const bool very : {false, true})
          for (const scored& first : adjectives) {
            const int score = (very ? first.tenths * 3 / 2 : first.tenths) * (negated ? -1 : 1);
            const double frequency = 0.6 / 3 * (negated ? 0.2 : 0.8) * (very ? 0.3 : 0.7) / 12;
            const std::string_view no = negated ? "not" : "", much = very ? "very" : "";
            add({copula, no, much, first.word}, score, frequency * 0.5);
            for (const scored& second : adjectives) add({copula, no, much, first.word, "and", second.word}, score + second.tenths, frequency * 0.5 / 12);
          }
    for (const bool negated : {false, true})
      for (const scored& verb : verbs)
        for (const std::string_view other : others)
          for (const scored& manner : manners)
            for (const std::string_view time : times) {
              const double frequency = 0.4 * (negated ? 0.15 : 0.85) / 8 / 6 * (manner.word.empty() ? 0.5 : 0.5 / 6) * (time.empty() ? 0.6 : 0.4 / 3);
              add({negated ? "never" : "", verb.word, "the", other, manner.word, time}, (negated ? -1 : 1) * (verb.tenths + manner.tenths), frequency);
            }
  }

  void list_beginnings() {
    for (const std::string_view d : determiners)
      for (std::size_t m = 0; m < std::size(moods); ++m)
        for (const std::string_view p : people) beginnings_.push_back({{word(d), word(moods[m].adjective), word(p)}, m});
    for (const temper& m : moods) {
      std::vector<double> p(frequencies_);
      double total = 0;
      for (std::size_t c = 0; c < p.size(); ++c) total += p[c] *= std::exp(m.sunniness * completions_[c].reward);
      for (double& x : p) x /= total;
      probabilities_.push_back(std::move(p));
    }
  }

  std::vector<std::string> words_;
  std::map<std::string, token> ids_;
  std::vector<beginning> beginnings_;
  std::vector<completion> completions_;
  std::vector<double> frequencies_;
  std::vector<std::vector<double>> probabilities_;
  std::map<std::vector<token>, std::size_t> by_tokens_;
  std::size_t longest_ = 0;
};

}  // namespace tilt::program
