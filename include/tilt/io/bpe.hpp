// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <queue>
#include <string>
#include <string_view>
#include <tilt/error.hpp>
#include <tilt/io/merge_table.hpp>
#include <tilt/io/utf8.hpp>
#include <tilt/scalar/config.hpp>
#include <unordered_map>
#include <vector>

namespace tilt::detail {

/// Byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909) by a table of merges: the pair of neighbours with the lowest rank,
/// leftmost first, becomes one token until no pair is in the table. O(n log n) for a piece of n characters. Const members are safe from
/// several threads.
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
    ids_.reserve(json.at("vocab").size());
    for (const auto& [text, id] : json.at("vocab").items()) ids_.emplace(text, add(text, id));
    for (unsigned byte = 0; byte < 256; ++byte) byte_ids_[byte] = id_of(byte_token(byte));
    if (!empty("unk_token")) {
      unknown_ = id_of(json["unk_token"].get<std::string>());
      if (unknown_ < 0) throw input_error("the unk_token is not in the vocabulary");
    }
    character_ids_.assign(0x800, -1);
    for (char32_t c = 0; c < character_ids_.size(); ++c) {
      std::string character;
      append_utf8(character, c);
      character_ids_[c] = id_of(character);
    }
    std::int32_t rank = 0;
    merges_ = merge_table(json.at("merges").size());
    for (const auto& merge : json.at("merges")) {
      std::string left, right;
      if (merge.is_array()) {
        left = merge.at(0), right = merge.at(1);
      } else {
        const std::string both = merge;
        const std::size_t space = both.find(' ');
        if (space == std::string::npos || both.find(' ', space + 1) != std::string::npos) throw input_error("the merge '" + both + "' is not a pair");
        left = both.substr(0, space), right = both.substr(space + 1);
      }
      const token a = id_of(left), b = id_of(right), c = id_of(left + right);
      if (a < 0 || b < 0 || c < 0) throw input_error("the merge of '" + left + "' and '" + right + "' uses tokens outside the vocabulary");
      merges_.set(a, b, {rank++, c});
    }
  }

  /// Gives an id its text, which no merge makes and no character has; returns the id.
  token add(const std::string& text, const nlohmann::json& number) {
    constexpr std::int64_t most = 1 << 24;
    if (!number.is_number_integer() || number.get<std::int64_t>() < 0 || number.get<std::int64_t>() >= most)
      throw input_error("the token '" + text + "' has the id " + number.dump() + "; ids are whole numbers from 0 to " + std::to_string(most - 1));
    const auto id = number.get<std::size_t>();
    if (id >= texts_.size()) texts_.resize(id + 1);
    texts_[id] = text;
    return static_cast<token>(id);
  }
  token id_of(std::string_view text) const {
    const auto found = ids_.find(text);
    return found == ids_.end() ? -1 : found->second;
  }
  /// Empty where no token has this id.
  const std::string& text_of(token id) const {
    static const std::string none;
    return id < 0 || id >= size() ? none : texts_[static_cast<std::size_t>(id)];
  }
  index size() const { return static_cast<index>(texts_.size()); }

  /// Appends the tokens of one piece.
  void encode(std::string_view piece, std::vector<token>& out) const {
    const token whole = ignore_merges_ ? id_of(piece) : -1;
    if (whole >= 0) {
      out.push_back(whole);
      return;
    }
    const std::size_t begin = out.size();
    characters(piece, out);
    if (out.size() - begin <= short_piece) merge_short(out, begin);
    else merge_long(out, begin);
  }

 private:
  static constexpr std::size_t short_piece = 24;  // up to here looking at all pairs is quicker than keeping a queue of them

  void merge_short(std::vector<token>& ids, std::size_t begin) const {
    merge_rule rules[short_piece];  // of each token with its right neighbour; rank −1: none
    token* const t = ids.data() + begin;
    std::size_t n = ids.size() - begin;
    const auto look = [&](std::size_t i) {
      const merge_rule* const found = i + 1 < n ? merges_.find(t[i], t[i + 1]) : nullptr;
      rules[i] = found == nullptr ? merge_rule{} : *found;
    };
    for (std::size_t i = 0; i < n; ++i) look(i);
    for (;;) {
      std::size_t best = n;
      for (std::size_t i = 0; i + 1 < n; ++i)
        if (rules[i].rank >= 0 && (best == n || rules[i].rank < rules[best].rank)) best = i;
      if (best == n) break;
      t[best] = rules[best].id;
      for (std::size_t i = best + 1; i + 1 < n; ++i) t[i] = t[i + 1], rules[i] = rules[i + 1];
      --n;
      look(best);
      if (best > 0) look(best - 1);
    }
    ids.resize(begin + n);
  }

  struct symbol {
    token id;
    std::int32_t previous, next;
  };
  struct candidate {
    std::int32_t rank, left;
    token id;
    bool operator<(const candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
  };

  void merge_long(std::vector<token>& ids, std::size_t begin) const {
    const auto count = static_cast<std::int32_t>(ids.size() - begin);
    std::vector<symbol> symbols;
    for (std::int32_t i = 0; i < count; ++i) symbols.push_back({ids[begin + static_cast<std::size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1});
    const auto at = [&](std::int32_t i) -> symbol& { return symbols[static_cast<std::size_t>(i)]; };
    std::priority_queue<candidate> queue;
    const auto offer = [&](std::int32_t left) {
      if (left < 0 || at(left).next < 0) return;
      if (const merge_rule* const rule = merges_.find(at(left).id, at(at(left).next).id)) queue.push({rule->rank, left, rule->id});
    };
    for (std::int32_t i = 0; i < count; ++i) offer(i);
    while (!queue.empty()) {
      const candidate best = queue.top();
      queue.pop();
      symbol& left = at(best.left);
      if (left.id < 0 || left.next < 0) continue;
      symbol& right = at(left.next);
      const merge_rule* const rule = merges_.find(left.id, right.id);  // a neighbour may have changed since
      if (rule == nullptr || rule->id != best.id) continue;
      left.id = best.id;
      left.next = right.next;
      right.id = -1;
      if (left.next >= 0) at(left.next).previous = best.left;
      offer(left.previous);
      offer(best.left);
    }
    ids.resize(begin);
    for (std::int32_t i = count > 0 ? 0 : -1; i >= 0; i = at(i).next) ids.push_back(at(i).id);
  }

  /// A piece as the tokens of its characters; where a character has none, those of its bytes, or the unknown token.
  void characters(std::string_view piece, std::vector<token>& out) const {
    int unknowns = 0;  // put down when a character with a token of its own follows: after bytes that come in between, as in the original
    const auto put_unknowns = [&] {
      for (; unknowns > 0; --unknowns) out.push_back(unknown_);
    };
    for (std::size_t at = 0, n; at < piece.size(); at += n) {
      n = std::max<std::size_t>(1, utf8_length(piece.substr(at)));
      const std::string_view character = piece.substr(at, n);
      const char32_t c = code_point(character, n);
      if (const token id = c < character_ids_.size() ? character_ids_[c] : id_of(character); id >= 0) {
        put_unknowns();
        out.push_back(id);
      } else if (byte_fallback_ && std::all_of(character.begin(), character.end(), [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)] >= 0; })) {
        for (const char byte : character) out.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
      } else if (unknown_ >= 0 && !(fuse_unknown_ && unknowns > 0)) {
        if (!fuse_unknown_) put_unknowns();
        ++unknowns;
      }
    }
    put_unknowns();
  }
  static std::string byte_token(unsigned byte) {
    constexpr char digits[] = "0123456789ABCDEF";
    return std::string("<0x") + digits[byte >> 4] + digits[byte & 15] + ">";
  }

  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, token, text_hash, std::equal_to<>> ids_;
  std::vector<std::string> texts_;
  merge_table merges_;
  std::vector<token> character_ids_;         // of the characters up to U+07FF, which include the byte-level alphabet
  std::array<token, 256> byte_ids_{};  // of <0x00> to <0xFF>; -1: not in the vocabulary
  token unknown_ = -1;
  bool byte_fallback_ = false, fuse_unknown_ = false, ignore_merges_ = false;
};

}  // namespace tilt::detail
