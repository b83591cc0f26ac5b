// SPDX-License-Identifier: Apache-2.0
// Checks of single rows: clarity and quality, with what lies just on either side of each boundary.
#include "rows.hpp"

using namespace tilt;
using namespace tilt::test;

TEST_CASE("equal and alike") {
  CHECK(accused({text_pair("Q:", " yes  it is", " yes it\nis "), text_pair("Q:", " yes", " no")}, "equal") == lines{1});
  CHECK(text_similarity("abcd", "abcd") == 1);
  CHECK(text_similarity("", " ") == 1);
  CHECK(text_similarity("abcdef", "xyz") == 0);
  CHECK(text_similarity("abcd", "abce") == 0.5);     // abc of {abc, bcd} and {abc, bce}
  CHECK(text_similarity("aaaa", "aaa") == 2.0 / 3);  // repeats count: {aaa, aaa} and {aaa}
  check_options options;
  options.clarity.max_similarity = 0.5;
  CHECK(accused({text_pair("Q:", "abcd", "abce")}, "alike", options) == lines{1});
  options.clarity.max_similarity = 0.51;
  CHECK(accused({text_pair("Q:", "abcd", "abce")}, "alike", options).empty());
  CHECK(accused({text_pair("Q:", "abcd", "abcd")}, "alike", options).empty());  // equal is said once

  example ranking;
  ranking.kind = example_kind::ranked;
  ranking.prompt = text_part("Q:");
  ranking.responses = {text_part(" yes"), text_part(" no"), text_part(" no")};
  CHECK(accused({ranking}, "equal") == lines{1});
  ranking.scores = {2, 1, 1};  // a tie prefers nothing
  CHECK(accused({ranking}, "equal").empty());
}

TEST_CASE("margin: scores and win probabilities") {
  const auto scored = [](double chosen, double rejected) {
    example e = text_pair("Q:", " yes", " no");
    e.scores = {chosen, rejected};
    return e;
  };
  check_options options;
  CHECK(accused({scored(1, 1), scored(1, 2), scored(2, 1), text_pair("Q:", " a", " b")}, "margin") == lines{1, 2});
  options.clarity.min_margin = 0.5;
  CHECK(accused({scored(1.5, 1), scored(1.75, 1)}, "margin", options) == lines{1});
  example even = text_pair("Q:", " yes", " no"), likely = even;
  even.win_probability = 0.5;
  likely.win_probability = 0.51;
  CHECK(accused({even, likely}, "margin") == lines{1});
}

TEST_CASE("empty") {
  CHECK(accused({text_pair("Q:", "", " no"), text_pair("Q:", " \n", " no"), text_pair("Q:", "\xE3\x80\x80", " no"),
                 text_pair("Q:", " .", " no")},
                "empty") == lines{1, 2, 3});
}

TEST_CASE("truncated: what stops in mid-sentence, what lacks its full stop, and what is whole") {
  for (const char* text : {"I would say that this is your", "Well, I think so, but on the other hand,",
                           "Here is what you could do now:", "It is what they said that you\xE2\x80\x99", "Try this:\n```\nint x = 1;",
                           "See what the man did (and then the", "he goes there every day because they",
                           "Do these things:\n- run\n- walk in the park and", "I said to them that it\xE2\x80\x99s"}) {
    INFO(text);
    CHECK(end_of(text) == text_end::in_mid_sentence);
  }
  for (const char* text :
       {"First do this.  Then go on and do", "I would say that this is so", "it is so.  And he said that this",
        "\xD0\x9E\xD0\xBD \xD0\xB8 \xD0\xBE\xD0\xBD\xD0\xB0 \xD0\xB8 \xD0\xBC\xD1\x8B \xD0\xB8",
        "Do this:\n- run as far as you can get in an hour, and then go back again.\n- walk for as long as you like to in the park"}) {
    INFO(text);
    CHECK(end_of(text) == text_end::without_mark);
  }
  for (const char* text :
       {"", "Ok", "I would say that it is.", "Would you say that it is?", "He said \xE2\x80\x9Cno, that is not it.\xE2\x80\x9D",
        "He said it to me (and to you)", "Call me at this number: 844-555-5555", "You can write to me at bob@example.com",
        "There is more at the page https://example.com/a", "Do one of these things:\n1. run\n2. walk in the park",
        "Do it like this:\n```\nint x = 1;\n```", "This is it and that is all\xE2\x80\xA6", "This is it and that is all.\n",
        "This is it and that is all.\n----------\n", "well i think you should do that then",
        "Do this:\n1) run as far as you can get in an hour, and then go back again\n2) walk for as long as you like to in the park"}) {
    INFO(text);
    CHECK(end_of(text) == text_end::whole);
  }
  CHECK(end_of("One two three four five six", 6) == text_end::without_mark);
  CHECK(end_of("One two three four five", 6) == text_end::whole);
  CHECK(accused({text_pair("Q:", " You may go. But do not come back here.", " You may go. But do not come"),
                 text_pair("Q:", " Yes.", " Yes. No.")},
                "truncated") == lines{1});
  CHECK(accused({text_pair("Q:", " You may go if you want to. And come.", " You may go if you want to.")}, "truncated") ==
        lines{1});  // a beginning
}

TEST_CASE("repetition: loops, shares, letters") {
  const auto loop = [](const char* phrase, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text.append(phrase).append(" ");
    return longest_loop(words_of(text));
  };
  CHECK(loop("ha", 6).times == 6);
  CHECK(loop("ha", 6).phrase == 1);
  CHECK(loop("no no yes", 4).phrase == 3);
  CHECK(loop("one two three four five six seven eight nine ten eleven twelve thirteen", 3).times == 0);  // longer than it looks for
  CHECK(longest_loop({}).times == 0);
  const auto repeats = [](std::string answer) { return accused({text_pair("Q:", std::move(answer), " no")}, "repetition") == lines{1}; };
  CHECK(repeats("ha ha ha ha ha ha"));
  CHECK_FALSE(repeats("ha ha ha ha ha"));
  CHECK(repeats("it is it is it is it is"));
  CHECK_FALSE(repeats("it is it is it is"));
  CHECK(repeats("and so the man went and so the man went and so the man went"));
  CHECK_FALSE(repeats("and so the man went and so the man went"));
  CHECK(repeats("nooooooooooo"));
  CHECK_FALSE(repeats("__________ 1000000000000"));
  CHECK(repeated_share(words_of("a b c d e"), 4) == 0);
  CHECK(repeated_share(words_of("a b c a b c"), 3) == 0.25);  // abc, bca, cab, abc
  CHECK(repeated_share(words_of("a b"), 4) == 0);
  const std::string twenty =
      "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty";
  CHECK(repeats(twenty + " " + twenty));
  CHECK_FALSE(repeats(twenty));
}

TEST_CASE("refusal: phrases at the beginning, and another list") {
  CHECK(refusal_in(" I\xE2\x80\x99m sorry, but I CAN\xE2\x80\x99T  help with that.", refusal_phrases) == "i can't help");
  CHECK(refusal_in(" Sure! Here you go.", usual_refusals()).empty());
  CHECK_FALSE(refusal_in(" I won't answer that.", usual_refusals()).empty());
  CHECK(refusal_in(" Of course I won't be late!", usual_refusals()).empty());
  CHECK(refusal_in(std::string(120, 'x').append(" I can't help"), refusal_phrases).empty());
  CHECK(accused({text_pair("Q:", " As an AI, I do not eat.", " Yes."), text_pair("Q:", " Yes.", " No.")}, "refusal") == lines{1});
  check_options options;
  options.refusals = {"no."};
  CHECK(accused({text_pair("Q:", " As an AI, I do not eat.", " Yes."), text_pair("Q:", " Yes.", " No.")}, "refusal", options) == lines{2});
}

TEST_CASE("encoding: damage and what only looks like it") {
  for (const char* text : {"caf\xEF\xBF\xBD", "caf\xC3\x83\xC2\xA9", "it\xC3\xA2\xE2\x82\xAC\xE2\x84\xA2s",
                           "\xC3\xB0\xC5\xB8\xCB\x9C\xE2\x82\xAC", "a\x01z", "a\x7Fz", "a\xC2\x85z", "\xEF\xBB\xBFz", "a\xEF\xBF\xBEz",
                           "Q&amp;A", "it&#39;s", "a\\u2019b", "\xC3\x90\xC2\xB0\xC3\x90\xC2\xB1"}) {
    INFO(text);
    CHECK_FALSE(encoding_damage(text).empty());
  }
  CHECK(encoding_damage(std::string("a\0b", 3)) == "the control character U+0000");
  for (const char* text : {"", "plain\ttext\r\n", "caf\xC3\xA9",
                           "\xE2\x80\x9C"
                           "caf\xC3\xA9\xE2\x80\x9D\xE2\x80\x94",
                           "\xC2\xAB\xC3\x89\xC2\xBB", "\xF0\x9F\x99\x82", "A & B", "&amp", "\\u12", "\xE4\xBD\xA0\xE5\xA5\xBD"}) {
    INFO(text);
    CHECK(encoding_damage(text) == "");
  }
  CHECK(unpaired_surrogate(R"("\ud83d\ude00")") == std::string::npos);
  CHECK(unpaired_surrogate(R"("a\ud83d")") == 2);
  CHECK(unpaired_surrogate(R"("\ude00")") == 1);
  CHECK(unpaired_surrogate(R"("\ud83d\u0041")") == 1);
  CHECK(unpaired_surrogate(R"("\\ud83d")") == std::string::npos);  // a backslash, then letters
  CHECK(accused({text_pair("caf\xC3\x83\xC2\xA9?", " yes", " no"), text_pair("Q:", " yes", " n\x02o")}, "encoding") == lines{1, 2});
}

TEST_CASE("length bias: closed forms") {
  using lengths = std::vector<std::pair<double, double>>;
  const auto of = [](const lengths& all) { return measure_length_bias(std::span<const std::pair<double, double>>(all)); };
  const length_bias one_way = of({{2, 1}, {4, 2}, {8, 4}});
  CHECK(one_way.longer_chosen.value == 1);
  CHECK(one_way.ratio.value == Approx(2));
  CHECK(one_way.ratio.low == Approx(2));
  CHECK(one_way.auc.value == Approx((1 + 0.5 + 1 + 1 + 0.5 + 3.0 - 0) / 9));  // 2 > 1, 2 = 2; 4 > 1, 2, = 4; 8 > all
  CHECK(of({{1, 3}, {3, 1}}).longer_chosen.value == 0.5);
  CHECK(of({{1, 3}, {3, 1}}).auc.value == 0.5);
  CHECK(of({{1, 3}, {3, 1}}).point_biserial == Approx(0).margin(1e-15));
  CHECK(of({{3, 1}, {3, 1}}).point_biserial == Approx(1));
  CHECK(of({{5, 5}}).longer_chosen.value == 0.5);
  CHECK(of({}).pairs == 0);
  const interval w = wilson_interval(5, 10);  // by hand: (0.5 + z²/20 ± z √(0.025 + z²/400)) / (1 + z²/10)
  CHECK(w.low == Approx(0.2366).margin(1e-4));
  CHECK(w.high == Approx(0.7634).margin(1e-4));
  std::vector<example> longer(60, text_pair("Q:", " a long answer", " no")), even = longer;
  for (std::size_t i = 0; i < even.size(); i += 2) std::swap(even[i].chosen, even[i].rejected);
  CHECK(accused(longer, "length_bias") == lines{0});
  CHECK(accused(even, "length_bias").empty());
}
