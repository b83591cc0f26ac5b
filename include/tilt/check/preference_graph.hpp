// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <map>
#include <tilt/check/finding.hpp>
#include <tilt/check/rows.hpp>
#include <unordered_map>
#include <utility>

namespace tilt {

/// Strongly connected components of a directed graph, a number for each node (Tarjan 1972, SIAM J. Computing 1(2)), without recursion, so
/// that a long chain cannot exhaust the stack. Two nodes have the same number if and only if each is reached from the other.
/// O(nodes + edges).
inline std::vector<std::size_t> strong_components(const std::vector<std::vector<std::size_t>>& successors) {
  constexpr std::size_t none = static_cast<std::size_t>(-1);
  const std::size_t n = successors.size();
  std::vector<std::size_t> component(n, none), order(n, none), low(n, 0), stack;
  struct visit {
    std::size_t node, next;
  };
  std::vector<visit> path;
  std::size_t counter = 0, components = 0;
  for (std::size_t root = 0; root < n; ++root) {
    if (order[root] != none) continue;
    path.push_back({root, 0});
    while (!path.empty()) {
      auto& [node, next] = path.back();
      if (next == 0) {
        order[node] = low[node] = counter++;
        stack.push_back(node);
      }
      if (next < successors[node].size()) {
        const std::size_t to = successors[node][next++];
        if (order[to] == none)
          path.push_back({to, 0});
        else if (component[to] == none)
          low[node] = std::min(low[node], order[to]);
        continue;
      }
      if (low[node] == order[node]) {
        for (std::size_t member = none; member != node; stack.pop_back()) component[member = stack.back()] = components;
        ++components;
      }
      const std::size_t done = node;
      path.pop_back();
      if (!path.empty()) low[path.back().node] = std::min(low[path.back().node], low[done]);
    }
  }
  return component;
}

namespace detail {

/// The preferences of a data set: nodes are answers to prompts (by the hash of the whole text, white space collapsed, so that it does not
/// matter where a prompt was cut off), edges run from the better to the worse.
class preference_graph {
 public:
  struct edge {
    std::size_t better, worse;
    index line;
  };

  explicit preference_graph(std::span<const checked_row> rows) {
    for (const checked_row& row : rows) {
      if (!row.is_preference()) continue;
      std::vector<std::size_t> nodes;
      for (const checked_answer& a : row.answers) {
        std::string whole = row.prompt;
        if (row.source->prompt.conversational) whole += "\n\n";
        whole += a.text;
        nodes.push_back(node_of(collapsed(whole)));
      }
      const auto& scores = row.source->scores;
      for (std::size_t a = 0; a < nodes.size(); ++a)
        for (std::size_t b = a + 1; b < nodes.size(); ++b) {
          const bool tie = row.source->kind == example_kind::ranked && scores.size() == nodes.size() && scores[a] == scores[b];
          if (nodes[a] != nodes[b] && !tie) edges_.push_back({nodes[a], nodes[b], row.line()});
        }
    }
  }

  std::span<const edge> edges() const { return edges_; }
  std::size_t nodes() const { return numbers_.size(); }

 private:
  struct key {
    std::uint64_t a, b;
    bool operator==(const key&) const = default;
  };
  struct key_hash {
    std::size_t operator()(const key& k) const { return static_cast<std::size_t>(k.a); }
  };
  std::size_t node_of(const std::string& text) {
    return numbers_.try_emplace(key{text_hash(text, 1), text_hash(text, 2)}, numbers_.size()).first->second;
  }

  std::unordered_map<key, std::size_t, key_hash> numbers_;  // 128 bits: two texts of a million share them with probability 10⁻²⁷
  std::vector<edge> edges_;
};

}  // namespace detail

/// both_ways, cycle, repeated_pair: contradictions of the preferences, by edges that run both ways, by circles of three and more (strongly
/// connected components, found without those of two), and by edges that stand there again. O(edges · log edges).
inline void check_preferences(std::span<const checked_row> rows, std::vector<finding>& out) {
  const detail::preference_graph graph(rows);
  std::map<std::pair<std::size_t, std::size_t>, std::vector<index>> lines;
  for (const auto& e : graph.edges()) lines[{e.better, e.worse}].push_back(e.line);
  const auto listed = [](const std::vector<index>& some) {
    std::string text = some.size() == 1 ? "line " : "lines ";
    for (std::size_t i = 0; i < std::min<std::size_t>(some.size(), 8); ++i) {
      if (i > 0) text += ", ";
      text += std::to_string(some[i]);
    }
    if (some.size() > 8) text += ", …";
    return text;
  };

  std::vector<std::vector<std::size_t>> one_way(graph.nodes());
  for (const auto& [pair, at] : lines) {
    const auto opposite = lines.find({pair.second, pair.first});
    if (opposite == lines.end()) one_way[pair.first].push_back(pair.second);
    for (std::size_t i = 0; i < at.size(); ++i) {
      if (opposite != lines.end()) {
        std::string what = "the opposite is preferred at ";
        what += listed(opposite->second);
        out.push_back({"both_ways", at[i], std::move(what), opposite->second});
      }
      if (i > 0) {
        std::string what = "the pair stands there already, at line ";
        what += std::to_string(at[0]);
        out.push_back({"repeated_pair", at[i], std::move(what), {at[0]}});
      }
    }
  }

  const std::vector<std::size_t> component = strong_components(one_way);
  std::map<std::size_t, std::vector<index>> circles;
  const auto within = [&](const auto& e) { return component[e.better] == component[e.worse] && !lines.contains({e.worse, e.better}); };
  for (const auto& e : graph.edges())
    if (within(e)) circles[component[e.better]].push_back(e.line);
  for (auto& [number, members] : circles) {
    std::sort(members.begin(), members.end());
    members.erase(std::unique(members.begin(), members.end()), members.end());
    for (const index line : members) {
      std::string what = "is part of a circle of preferences: ";
      what += listed(members);
      std::vector<index> others;
      for (const index other : members)
        if (other != line) others.push_back(other);
      out.push_back({"cycle", line, std::move(what), std::move(others)});
    }
  }
}

}  // namespace tilt
