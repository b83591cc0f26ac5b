// SPDX-License-Identifier: Apache-2.0
// Checks that look at all rows together: consistency, diversity, format.
#include <cmath>
#include <random>

#include "rows.hpp"

using namespace tilt;
using namespace tilt::test;

TEST_CASE("preferences: both ways, circles, again") {
  const auto prefer = [](const char* better, const char* worse, const char* prompt = "Q:") { return text_pair(prompt, better, worse); };
  CHECK(accused({prefer(" a", " b"), prefer(" b", " a"), prefer(" b", " c")}, "both_ways") == lines{1, 2});
  CHECK(accused({prefer(" a", " b"), prefer(" b", " a", "R:")}, "both_ways").empty());  // another prompt
  CHECK(accused({prefer(" a", " b"), prefer(" b", " a")}, "cycle").empty());            // said once
  CHECK(accused({prefer(" a", " b"), prefer(" b", " c"), prefer(" c", " a"), prefer(" c", " d")}, "cycle") == lines{1, 2, 3});
  CHECK(accused({prefer(" a", " b"), prefer(" b", " c"), prefer(" a", " c")}, "cycle").empty());
  CHECK(accused({prefer(" a", " b"), prefer(" x", " y"), prefer(" a", "  b ")}, "repeated_pair") == lines{3});
  CHECK(accused({prefer("b", "c", "a "), prefer(" b", " c", "a")}, "repeated_pair") == lines{2});  // the same whole texts, cut elsewhere
  example ranking;
  ranking.kind = example_kind::ranked;
  ranking.prompt = text_part("Q:");
  ranking.responses = {text_part(" a"), text_part(" b"), text_part(" c")};
  CHECK(accused({ranking, prefer(" c", " b")}, "both_ways") == lines{1, 2});
  example two = ranking;
  two.responses = {text_part(" c"), text_part(" d")};
  CHECK(accused({ranking, two, prefer(" d", " a")}, "cycle") == lines{1, 2, 3});
}

TEST_CASE("strong components: against reachability by brute force") {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    const std::size_t n = 1 + random() % 12;
    std::vector<std::vector<std::size_t>> successors(n);
    std::vector<std::vector<bool>> reaches(n, std::vector<bool>(n, false));
    for (std::size_t i = 0; i < n; ++i) reaches[i][i] = true;
    for (std::size_t e = 0; e < random() % (2 * n); ++e) {
      const std::size_t a = random() % n, b = random() % n;
      successors[a].push_back(b);
      reaches[a][b] = true;
    }
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j)
          if (reaches[i][k] && reaches[k][j]) reaches[i][j] = true;
    const auto component = strong_components(successors);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) CHECK((component[i] == component[j]) == (reaches[i][j] && reaches[j][i]));
  }
  std::vector<std::vector<std::size_t>> chain(200000);  // deeper than a stack of calls
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) chain[i] = {i + 1};
  CHECK(strong_components(chain).front() == chain.size() - 1);
}

TEST_CASE("MinHash: estimates and candidates against exact Jaccard") {
  const min_hash hash(128, 3);
  std::mt19937_64 random(5);
  const auto overlapping = [&](std::size_t common, std::size_t own) {
    std::vector<std::uint64_t> a, b;
    for (std::size_t i = 0; i < common; ++i) a.push_back(random()), b.push_back(a.back());
    for (std::size_t i = 0; i < own; ++i) a.push_back(random()), b.push_back(random());
    return std::pair(as_set(a), as_set(b));
  };
  for (const auto& [common, own] : std::vector<std::pair<std::size_t, std::size_t>>{{0, 50}, {20, 40}, {50, 25}, {80, 10}, {60, 0}}) {
    double sum = 0, exact = 0;
    constexpr int trials = 40;
    for (int t = 0; t < trials; ++t) {
      const auto [a, b] = overlapping(common, own);
      std::vector<std::uint32_t> x(128), y(128);
      hash.signature(a, x);
      hash.signature(b, y);
      sum += min_hash::estimate(x, y);
      exact = jaccard(a, b);
    }
    INFO("J = " << exact);
    CHECK(exact == Approx(static_cast<double>(common) / static_cast<double>(common + 2 * own)));
    CHECK(std::abs(sum / trials - exact) <= 4 * std::sqrt(exact * (1 - exact) / (128.0 * trials)) + 1e-12);  // four standard deviations
  }
  std::vector<std::uint32_t> first(128), again(128), other(128);
  const std::vector<std::uint64_t> set{1, 2, 3};
  hash.signature(set, first);
  min_hash(128, 3).signature(set, again);
  min_hash(128, 4).signature(set, other);
  CHECK(first == again);
  CHECK(first != other);
  CHECK(candidate_probability(0.8, 25, 5) == Approx(0.99995).margin(1e-5));
  CHECK(candidate_probability(0, 25, 5) == 0);
  CHECK(candidate_probability(1, 25, 5) == 1);
}

TEST_CASE("near duplicates: as brute force over all pairs finds them") {
  std::mt19937_64 random(11);
  std::vector<std::vector<std::uint64_t>> sets;
  for (int family = 0; family < 60; ++family) {
    std::vector<std::uint64_t> origin;
    for (int i = 0; i < 60; ++i) origin.push_back(random());
    for (const std::size_t changed : {0u, 2u, 5u, 12u, 30u}) {  // Jaccard 1, 0.94, 0.85, 0.67, 0.33 with the origin
      std::vector<std::uint64_t> set = origin;
      for (std::size_t i = 0; i < changed; ++i) set[i] = random();
      sets.push_back(as_set(set));
    }
  }
  sets.emplace_back();
  sets.emplace_back();
  std::vector<std::size_t> expected, found;
  for (std::size_t i = 0; i < sets.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (!sets[i].empty() && jaccard(sets[i], sets[j]) >= 0.8) {
        expected.push_back(i);
        break;
      }
  for (const near_duplicate& d : find_near_duplicates(sets)) {
    CHECK(d.earlier < d.set);
    CHECK(d.similarity == jaccard(sets[d.set], sets[d.earlier]));
    found.push_back(d.set);
  }
  CHECK(expected.size() == 120);
  CHECK(found == expected);
}

TEST_CASE("prompts and answers that come again") {
  const std::string prompt = "Tell me what the best way is to cook rice for ten people at home in the evening";
  std::vector<example> data{text_pair(prompt, " a", " b"), text_pair("Something else altogether", " c", " d"),
                            text_pair(prompt + " please", " e", " f")};
  CHECK(accused(data, "near_duplicate_prompt") == lines{3});
  check_options strict;
  strict.prompts.similarity = 0.95;
  CHECK(accused(data, "near_duplicate_prompt", strict).empty());
  std::vector<example> some;  // of 30 rows, two share a prompt: an exception
  const char* const words[] = {"alpha", "beta", "gamma", "delta", "kappa", "omega"};
  for (int i = 0; i < 28; ++i) some.push_back(text_pair(std::string(words[i % 6]) + " " + words[i / 6], " a", " b"));
  some.push_back(text_pair(prompt, " a", " b"));
  some.push_back(text_pair(prompt, " c", " d"));
  CHECK(accused(some, "near_duplicate_prompt") == lines{30});
  const std::vector<example> always{text_pair(prompt, " a", " b"), text_pair(prompt, " c", " d"),
                                    text_pair(prompt, " e", " f")};  // the rule
  CHECK(accused(always, "near_duplicate_prompt").empty());

  const std::string answer = " You should ask someone who knows more of this";
  CHECK(accused({text_pair("one?", answer, " a"), text_pair("two?", " b", answer), text_pair("one?", answer, " c")}, "repeated_answer") ==
        lines{2});
  CHECK(accused({text_pair("one?", " I do not know", " a"), text_pair("two?", " I do not know", " b")}, "repeated_answer").empty());

  const std::vector<example> all = numbered(always);
  const coverage c = check_data(all).coverage;
  CHECK(c.prompts == 1);
  CHECK(c.answers == 6);
  CHECK(c.answers_per_prompt == 6);
  CHECK(c.better.share[0] == 1);
  CHECK(c.better.share[1] == 0);
}

TEST_CASE("roles and system prompts") {
  const auto chat = [](std::vector<message> prompt, std::vector<message> chosen = {{"assistant", "yes"}}) {
    example e;
    e.kind = example_kind::pair;
    e.prompt = chat_part(std::move(prompt));
    e.chosen = chat_part(std::move(chosen));
    e.rejected = chat_part({{"assistant", "no"}});
    return e;
  };
  CHECK(accused({chat({{"user", "a"}}), chat({{"system", "s"}, {"user", "a"}}), chat({{"user", "a"}, {"assistant", "b"}, {"user", "c"}})},
                "roles")
            .empty());
  CHECK(accused({chat({{"user", "a"}, {"user", "b"}}), chat({{"assistant", "a"}, {"user", "b"}}), chat({{"user", "a"}, {"assistant", "b"}}),
                 chat({{"user", "a"}, {"system", "b"}}), chat({{"user", "a"}, {"narrator", "b"}}), chat({{"system", "a"}}),
                 chat({{"user", "a"}}, {{"user", "b"}})},
                "roles") == lines{1, 2, 3, 4, 5, 6, 7});
  const auto transcript = [](const char* prompt) { return text_pair(prompt, " yes", " no"); };
  CHECK(accused({transcript("\n\nHuman: a\n\nAssistant:"), transcript("\n\nHuman: a\n\nHuman: b\n\nAssistant:"),
                 transcript("\n\nAssistant: a\n\nHuman: b\n\nAssistant:"), transcript("\n\nHuman: a\n\nAssistant: b\n\nHuman: c"),
                 transcript("no transcript")},
                "roles") == lines{2, 3, 4});
  CHECK(accused({chat({{"system", "s"}, {"user", "a"}}), chat({{"user", "b"}}), chat({{"user", "c"}})}, "system") == lines{1});
  CHECK(accused({chat({{"system", "s"}, {"user", "a"}}), chat({{"system", "s"}, {"user", "b"}}), chat({{"user", "c"}})}, "system") ==
        lines{3});
  CHECK(accused({chat({{"user", "b"}}), chat({{"user", "c"}})}, "system").empty());
}

TEST_CASE("template marks and other turns within answers, white space, prompts that are missing") {
  CHECK(accused({text_pair("Q:", " yes<|im_end|>", " no"), text_pair("Q:", " yes\n\nHuman: and?", " no"), text_pair("Q:", " 1 < 2", " [1]"),
                 text_pair("Q:", " Human: yes", " no"), text_pair("Q:", " that Human: is", " no"), text_pair("Q: [INST]", " yes", " no")},
                "template") == lines{1, 2, 4, 6});
  CHECK(accused({text_pair("[INST] a", " yes", " no"), text_pair("[INST] b", " yes", " no"), text_pair("[INST] c", " yes", " no")},
                "template")
            .empty());  // the rule
  CHECK(accused({text_pair("Q: ", "yes", "no"), text_pair("Q:", " yes ", " no"), text_pair("Q:", "  yes", " no"),
                 text_pair("Q:", "\nyes", " no"), text_pair("Q:", " yes", " no")},
                "whitespace") == lines{1, 2, 3, 4});
  std::vector<example> habit(12, text_pair("Q:", " yes", " no"));
  habit.push_back(text_pair("Q:", "yes", " no"));
  CHECK(accused(habit, "whitespace") == lines{13});
  CHECK(accused({text_pair("", " yes", " no"), text_pair("Q:", " yes", " no")}, "no_prompt") == lines{1});
}

TEST_CASE("implicit prompts end where the assistant's turn begins") {
  example e = text_pair("\n\nHuman: hi\n\nAssistant: I am", " well.", " not well.");
  const std::vector<example> one{e};
  const auto rows = rows_of(one);
  CHECK(rows[0].prompt == "\n\nHuman: hi\n\nAssistant:");
  CHECK(rows[0].answers[0].text == " I am well.");
  CHECK(rows[0].answers[1].text == " I am not well.");
}

TEST_CASE("a report: its order, disabled checks, one finding a line and check") {
  const std::vector<example> data = numbered({text_pair("Q:", "", ""), text_pair("", " yes", " yes")});
  const check_report report = check_data(data);
  CHECK(std::is_sorted(report.findings.begin(), report.findings.end(),
                       [](const finding& a, const finding& b) { return find_check(a.check) < find_check(b.check); }));
  CHECK(accused(report.findings, "empty") == lines{1});  // both answers, one finding
  CHECK(accused(report.findings, "equal") == lines{1, 2});
  check_options options;
  options.disabled = {"equal"};
  CHECK(accused(check_data(data, options).findings, "equal").empty());
  for (const finding& f : report.findings) CHECK(find_check(f.check) != nullptr);
}
