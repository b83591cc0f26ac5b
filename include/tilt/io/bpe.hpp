// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>
#include <queue>
#include <tilt/error.hpp>
#include <tilt/io/utf8.hpp>
#include <tilt/scalar/config.hpp>
#include <unordered_map>
#include <vector>

namespace tilt::detail {

/// Byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909) by a table of merges: the pair of neighbours with the lowest rank,
/// leftmost first, becomes one token until no pair is in the table. O(n log n) for a piece of n characters.
class bpe {
 public:
  explicit bpe(const nlohmann::json& json) {
    const std::string type = json.value("type", "BPE");
    if (type != "BPE") throw input_error("the tokenizer model '" + type + "' is not supported; BPE is");
    const auto empty = [&](const char* key) { return !json.contains(key) || json[key].is_null() || json[key] == ""; };
    for (const char* const key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (!empty(key)) throw input_error(std::string("the BPE option '") + key + "' is not supported");
    if (json.contains("dropout") && json["dropout"].is_number() && json["dropout"].get<double>() > 0) throw input_error("the BPE option 'dropout' is not supported; set it to null");
    byte_fallback_ = json.value("byte_fallback", false);
    fuse_unknown_ = json.value("fuse_unk", false);
    ignore_merges_ = json.value("ignore_merges", false);
    for (const auto& [text, id] : json.at("vocab").items()) add(text, id.get<token>());
    if (!empty("unk_token")) {
      unknown_ = id_of(json["unk_token"].get<std::string>());
      if (unknown_ < 0) throw input_error("the unk_token is not in the vocabulary");
    }
    std::int32_t rank = 0;
    for (const auto& merge : json.at("merges")) {
      std::string left, right;
      if (merge.is_array()) {
        left = merge.at(0), right = merge.at(1);
      } else {
        const std::string both = merge;
        const std::size_t space = both.find(' ');
        if (space == std::string::npos) throw input_error("the merge '" + both + "' is not a pair");
        left = both.substr(0, space), right = both.substr(space + 1);
      }
      const token a = id_of(left), b = id_of(right), c = id_of(left + right);
      if (a < 0 || b < 0 || c < 0) throw input_error("the merge of '" + left + "' and '" + right + "' uses tokens outside the vocabulary");
      merges_.try_emplace(key(a, b), merge_rule{rank++, c});
    }
  }

  void add(const std::string& text, token id) {
    ids_[text] = id;
    if (id < 0) throw input_error("the token '" + text + "' has a negative id");
    if (static_cast<std::size_t>(id) >= texts_.size()) texts_.resize(static_cast<std::size_t>(id) + 1);
    texts_[static_cast<std::size_t>(id)] = text;
  }
  token id_of(const std::string& text) const {
    const auto found = ids_.find(text);
    return found == ids_.end() ? -1 : found->second;
  }
  const std::string& text_of(token id) const { return texts_.at(static_cast<std::size_t>(id)); }
  index size() const { return static_cast<index>(texts_.size()); }

  /// Appends the tokens of one piece.
  void encode(const std::string& piece, std::vector<token>& out) const {
    if (ignore_merges_)
      if (const token whole = id_of(piece); whole >= 0) {
        out.push_back(whole);
        return;
      }
    std::vector<symbol> symbols;
    characters(piece, symbols);
    const auto count = static_cast<std::int32_t>(symbols.size());
    std::priority_queue<candidate> queue;
    const auto offer = [&](std::int32_t left) {
      const std::int32_t right = left < 0 ? -1 : symbols[static_cast<std::size_t>(left)].next;
      if (right < 0) return;
      const auto found = merges_.find(key(symbols[static_cast<std::size_t>(left)].id, symbols[static_cast<std::size_t>(right)].id));
      if (found != merges_.end()) queue.push({found->second.rank, left, found->second.id, symbols[static_cast<std::size_t>(right)].id});
    };
    for (std::int32_t i = 0; i < count; ++i) {
      symbols[static_cast<std::size_t>(i)].previous = i - 1;
      symbols[static_cast<std::size_t>(i)].next = i + 1 < count ? i + 1 : -1;
    }
    for (std::int32_t i = 0; i + 1 < count; ++i) offer(i);
    while (!queue.empty()) {
      const candidate best = queue.top();
      queue.pop();
      symbol& left = symbols[static_cast<std::size_t>(best.left)];
      if (left.id < 0 || left.next < 0) continue;
      symbol& right = symbols[static_cast<std::size_t>(left.next)];
      const auto found = merges_.find(key(left.id, right.id));  // a neighbour may have changed since
      if (found == merges_.end() || found->second.id != best.id || right.id != best.right_id) continue;
      left.id = best.id;
      left.next = right.next;
      right.id = -1;
      if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = best.left;
      offer(left.previous);
      offer(best.left);
    }
    for (std::int32_t i = count > 0 ? 0 : -1; i >= 0; i = symbols[static_cast<std::size_t>(i)].next) out.push_back(symbols[static_cast<std::size_t>(i)].id);
  }

 private:
  struct symbol {
    token id;
    std::int32_t previous, next;
  };
  struct merge_rule {
    std::int32_t rank;
    token id;
  };
  struct candidate {
    std::int32_t rank, left;
    token id, right_id;
    bool operator<(const candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
  };
  static std::uint64_t key(token a, token b) { return static_cast<std::uint64_t>(static_cast<std::uint32_t>(a)) << 32 | static_cast<std::uint32_t>(b); }

  /// A piece as the tokens of its characters; where a character has none, those of its bytes, or the unknown token.
  void characters(const std::string& piece, std::vector<symbol>& out) const {
    bool after_unknown = false;
    for (std::size_t at = 0; at < piece.size();) {
      std::size_t n = utf8_length(std::string_view(piece).substr(at));
      if (n == 0) n = 1;
      const std::string character = piece.substr(at, n);
      at += n;
      if (const token id = id_of(character); id >= 0) {
        out.push_back({id, 0, 0});
        after_unknown = false;
        continue;
      }
      if (byte_fallback_) {
        std::vector<token> bytes;
        for (const char c : character) bytes.push_back(id_of(byte_token(static_cast<unsigned char>(c))));
        bool all = true;
        for (const token id : bytes) all = all && id >= 0;
        if (all) {
          for (const token id : bytes) out.push_back({id, 0, 0});
          after_unknown = false;
          continue;
        }
      }
      if (unknown_ >= 0 && !(fuse_unknown_ && after_unknown)) out.push_back({unknown_, 0, 0});
      after_unknown = unknown_ >= 0;
    }
  }
  static std::string byte_token(unsigned char byte) {
    constexpr char digits[] = "0123456789ABCDEF";
    return std::string("<0x") + digits[byte >> 4] + digits[byte & 15] + ">";
  }

  std::unordered_map<std::string, token> ids_;
  std::vector<std::string> texts_;
  std::unordered_map<std::uint64_t, merge_rule> merges_;
  token unknown_ = -1;
  bool byte_fallback_ = false, fuse_unknown_ = false, ignore_merges_ = false;
};

}  // namespace tilt::detail
