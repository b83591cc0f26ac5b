// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/data/prompt_tree.hpp>
#include <tilt/io/chat_template.hpp>
#include <tilt/io/tokenizer.hpp>

namespace tilt {

/// What turns an example's texts into tokens: the tokenizer, the template of conversations, the text of the end token (empty: none).
struct text_encoder {
  const tokenizer* words = nullptr;
  const chat_template* chat = nullptr;
  std::string end;
};

struct tokenize_options {
  index max_length = 1024;      ///< tokens of prompt and response together; the response is cut at its end ("keep_start"). 0: no limit
  index max_prompt_length = 0;  ///< the prompt's first tokens are cut beyond this. 0: no limit
  bool drop_longer = false;     ///< leave examples out that max_length would cut, as TRL's RewardTrainer does
  bool keep_empty = false;      ///< an empty completion is its end token, instead of being left out
};

/// What became of the examples. Lines are those of the file.
struct tokenize_report {
  index examples = 0;
  index kept = 0;
  std::vector<index> prompt_fills_length;  ///< dropped: no room for a response
  std::vector<index> empty_completion;     ///< dropped: a completion without text
  std::vector<index> longer;               ///< dropped: longer than max_length, where such are to be dropped
  std::vector<index> no_first_token;       ///< dropped: a prompt without tokens (no BOS either) and responses that begin differently
  std::vector<index> undesirable;          ///< dropped: a completion labelled false, where demonstrations are wanted
  index truncated_responses = 0;
  index truncated_prompts = 0;
  index merged_boundaries = 0;  ///< prompts whose last tokens merge with the response's first; these then belong to the response

  index dropped() const { return examples - kept; }
};

struct tokenized_examples {
  std::vector<prompt_tree> trees;
  tokenize_report report;
};

namespace detail {

class example_encoder {
 public:
  example_encoder(const text_encoder& encoder, const tokenize_options& options, tokenize_report& report)
      : encoder_(encoder), options_(options), report_(report) {}

  /// Tokens of a prompt and of the prompt with a completion, as TRL makes them: both encoded whole, so that what merges at the boundary
  /// merges as it will when the model reads it.
  std::vector<token> prompt(const example_part& p) const {
    if (p.conversational) return encoder_.words->encode(encoder_.chat->prompt(p.messages), false);
    return encoder_.words->encode(p.text);
  }
  std::vector<token> whole(const example_part& p, const example_part& completion) const {
    if (completion.conversational) {
      std::vector<message> all = p.messages;
      all.insert(all.end(), completion.messages.begin(), completion.messages.end());
      return encoder_.words->encode(encoder_.chat->render(all, false), false);
    }
    std::string text = completion.text;
    if (!encoder_.end.empty() && !text.ends_with(encoder_.end)) text += encoder_.end;
    return encoder_.words->encode(p.text + text);
  }
  static bool empty(const example_part& completion) {
    if (!completion.conversational) return completion.text.empty();
    for (const message& m : completion.messages)
      if (!m.content.empty()) return false;
    return true;
  }

  /// A tree of one prompt and some completions; false, and counted, if it cannot be used.
  bool build(const example& e, std::span<const example_part* const> completions, prompt_tree& tree) {
    ++report_.examples;
    tree.line = e.line;
    for (const example_part* c : completions)
      if (!options_.keep_empty && empty(*c)) {
        report_.empty_completion.push_back(e.line);
        return false;
      }
    const std::vector<token> alone = prompt(e.prompt);
    std::vector<std::vector<token>> wholes;
    std::size_t shared = alone.size();
    for (const example_part* c : completions) {
      wholes.push_back(whole(e.prompt, *c));
      const auto& w = wholes.back();
      shared =
          std::min(shared, static_cast<std::size_t>(std::mismatch(alone.begin(), alone.end(), w.begin(), w.end()).first - alone.begin()));
    }
    if (shared < alone.size()) ++report_.merged_boundaries;
    tree.prompt.assign(alone.begin(), alone.begin() + static_cast<std::ptrdiff_t>(shared));
    if (options_.max_prompt_length > 0 && static_cast<index>(tree.prompt.size()) > options_.max_prompt_length) {
      tree.prompt.erase(tree.prompt.begin(), tree.prompt.end() - options_.max_prompt_length);
      ++report_.truncated_prompts;
    }
    if (tree.prompt.empty()) {  // nothing predicts the first token of all, so what the responses begin with stands in for the prompt
      for (const auto& w : wholes)
        if (w.empty() || w.front() != wholes.front().front()) {
          report_.no_first_token.push_back(e.line);
          return false;
        }
      tree.prompt.push_back(wholes.front().front());
      shared = 1;
    }
    const auto length = static_cast<index>(tree.prompt.size());
    const auto too_long = [&](const std::vector<token>& w) {
      return options_.max_length > 0 && length + static_cast<index>(w.size() - shared) > options_.max_length;
    };
    if (options_.drop_longer && std::any_of(wholes.begin(), wholes.end(), too_long)) {
      report_.longer.push_back(e.line);
      return false;
    }
    if (options_.max_length > 0 && length >= options_.max_length) {
      report_.prompt_fills_length.push_back(e.line);
      return false;
    }
    for (const auto& w : wholes) {
      std::vector<token> tokens(w.begin() + static_cast<std::ptrdiff_t>(shared), w.end()), uncut;
      if (options_.max_length > 0 && length + static_cast<index>(tokens.size()) > options_.max_length) {
        uncut = tokens;
        tokens.resize(static_cast<std::size_t>(options_.max_length - length));
        ++report_.truncated_responses;
      }
      if (tokens.empty()) {
        report_.empty_completion.push_back(e.line);
        return false;
      }
      tree.responses.push_back({tokens, e.label, uncut, e.weight});
    }
    if (e.scores.size() == tree.responses.size())
      for (std::size_t r = 0; r < e.scores.size(); ++r) tree.responses[r].score = e.scores[r];
    ++report_.kept;
    return true;
  }

 private:
  const text_encoder& encoder_;
  const tokenize_options& options_;
  tokenize_report& report_;
};

[[noreturn]] inline void wrong_kind(const example& e, const char* wanted) {
  throw input_error("example at line " + std::to_string(e.line) + ": is not " + wanted + "; give data of that shape");
}

}  // namespace detail

namespace detail {
/// A pair's or a ranking's completions, the best first.
inline std::vector<const example_part*> ranked_parts(const example& e, const char* wanted) {
  std::vector<const example_part*> parts;
  if (e.kind == example_kind::pair)
    parts = {&e.chosen, &e.rejected};
  else if (e.kind == example_kind::ranked)
    for (const example_part& p : e.responses) parts.push_back(&p);
  else
    wrong_kind(e, wanted);
  return parts;
}
}  // namespace detail

/// Pairs as trees of two responses and one edge; rankings as trees with an edge for every two of their responses, but for those with equal
/// scores, which prefer nothing.
inline tokenized_examples tokenize_pairs(std::span<const example> examples, const text_encoder& encoder,
                                         const tokenize_options& options = {}) {
  tokenized_examples out;
  detail::example_encoder encode(encoder, options, out.report);
  for (const example& e : examples) {
    prompt_tree tree;
    if (!encode.build(e, detail::ranked_parts(e, "a pair of chosen and rejected, or a ranking"), tree)) continue;
    const int responses = static_cast<int>(tree.responses.size());
    for (int a = 0; a < responses; ++a)
      for (int b = a + 1; b < responses; ++b) {
        const auto score = [&](int r) { return e.scores[static_cast<std::size_t>(r)]; };
        if (e.kind == example_kind::ranked && !e.scores.empty() && score(a) == score(b)) continue;
        tree.edges.push_back({a, b, e.weight, e.win_probability, e.margin});
      }
    if (tree.edges.empty())
      throw input_error("example at line " + std::to_string(e.line) +
                        ": all of its responses have the same score, which prefers nothing; remove it");
    out.trees.push_back(std::move(tree));
  }
  return out;
}

/// Rankings as trees of their responses, the best first, without edges; a pair is a ranking of two.
inline tokenized_examples tokenize_rankings(std::span<const example> examples, const text_encoder& encoder,
                                            const tokenize_options& options = {}) {
  tokenized_examples out;
  detail::example_encoder encode(encoder, options, out.report);
  for (const example& e : examples) {
    prompt_tree tree;
    if (encode.build(e, detail::ranked_parts(e, "a ranking of responses, or a pair"), tree)) out.trees.push_back(std::move(tree));
  }
  return out;
}

/// Labelled completions as trees of one response. Pairs become two: of every thousand examples, the chosen as desirable and then the
/// rejected as undesirable, as in TRL.
inline tokenized_examples tokenize_labelled(std::span<const example> examples, const text_encoder& encoder,
                                            const tokenize_options& options = {}) {
  tokenized_examples out;
  detail::example_encoder encode(encoder, options, out.report);
  const auto add = [&](const example& e, const example_part& completion) {
    const example_part* const one[] = {&completion};
    prompt_tree tree;
    if (encode.build(e, one, tree)) out.trees.push_back(std::move(tree));
  };
  constexpr std::size_t thousand = 1000;
  for (std::size_t begin = 0; begin < examples.size(); begin += thousand) {
    const auto some = examples.subspan(begin, std::min(thousand, examples.size() - begin));
    for (const example& e : some) {
      if (e.kind == example_kind::labelled)
        add(e, e.completion);
      else if (e.kind != example_kind::pair)
        detail::wrong_kind(e, "a completion with a label");
    }
    for (const bool desirable : {true, false})
      for (const example& e : some)
        if (e.kind == example_kind::pair) {
          example single = e;
          single.label = desirable;
          add(single, desirable ? e.chosen : e.rejected);
        }
  }
  return out;
}

/// Demonstrations as trees of one response: a completion after its prompt, or a text after its first token. Of a pair the chosen one, of a
/// ranking the best; a completion whose label is false demonstrates nothing and is left out.
inline tokenized_examples tokenize_demonstrations(std::span<const example> examples, const text_encoder& encoder,
                                                  const tokenize_options& options = {}) {
  tokenized_examples out;
  detail::example_encoder encode(encoder, options, out.report);
  for (const example& e : examples) {
    prompt_tree tree;
    if (e.kind == example_kind::text || e.kind == example_kind::ids) {
      ++out.report.examples;
      std::vector<token> ids = e.kind == example_kind::ids ? e.ids : encode.whole({{}, {}, e.completion.conversational}, e.completion);
      if (options.max_length > 0 && static_cast<index>(ids.size()) > options.max_length) {
        ids.resize(static_cast<std::size_t>(options.max_length));
        ++out.report.truncated_responses;
      }
      if (ids.size() < 2 || (e.kind == example_kind::text && detail::example_encoder::empty(e.completion))) {
        out.report.empty_completion.push_back(e.line);
        continue;
      }
      tree = text_sequence(ids, e.line);
      ++out.report.kept;
    } else {
      if (e.kind == example_kind::labelled && !e.label) {
        ++out.report.examples;
        out.report.undesirable.push_back(e.line);
        continue;
      }
      const example_part* const one[] = {e.kind == example_kind::pair     ? &e.chosen
                                         : e.kind == example_kind::ranked ? &e.responses[0]
                                                                          : &e.completion};
      if (!encode.build(e, one, tree)) continue;
    }
    out.trees.push_back(std::move(tree));
  }
  return out;
}

}  // namespace tilt
