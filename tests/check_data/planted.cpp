// SPDX-License-Identifier: Apache-2.0
// Twenty faults planted into preference data; each must be found at its line, and nothing that was there before may be lost.
#include <map>
#include <string_view>

#include "rows.hpp"
#include "support/paths.hpp"

using namespace tilt;
using namespace tilt::test;

namespace {

struct planted {
  const char* check;
  std::size_t row;
};

/// Spoils rows from `first` on, `step` apart. The rows must be sound pairs with a prompt and answers of several words.
std::vector<planted> plant(std::vector<example>& data, std::size_t first, std::size_t step) {
  std::vector<planted> faults;
  std::size_t at = first;
  const auto next = [&](const char* check) -> example& {
    faults.push_back({check, at});
    example& e = data.at(at);
    at += step;
    return e;
  };
  const std::string sound = " This is an answer of some length. It ends as it should.";
  {
    example& e = next("equal");
    e.rejected = e.chosen;
  }
  {
    example& e = next("alike");
    e.chosen.text = sound + " And it says very much the same as the other one does.";
    e.rejected.text = sound + " And it says very much the same as the other one did.";
  }
  next("margin").scores = {1, 1};
  next("margin").scores = {1, 2};
  {
    const example& e = next("both_ways");
    example& other = next("both_ways");
    other = e;
    std::swap(other.chosen, other.rejected);
  }
  {
    example& a = next("cycle");
    example &b = next("cycle"), &c = next("cycle");
    b = c = a;
    b.chosen = a.rejected;
    b.rejected.text = sound;
    c.chosen.text = sound;
    c.rejected = a.chosen;
  }
  next("repeated_pair") = data.at(first - 1);
  next("empty").chosen.text = " ";
  next("truncated").chosen.text = " This answer goes on for a while. But then it stops because the";
  next("repetition").rejected.text = " It is so, it is so, it is so, it is so, it is so.";
  next("refusal").chosen.text = " I\xE2\x80\x99m sorry, but I can\xE2\x80\x99t help with that.";
  next("encoding").chosen.text = " That\xC3\xA2\xE2\x82\xAC\xE2\x84\xA2s how it is.";
  next("encoding").rejected.text = " It is a caf\xEF\xBF\xBD.";
  next("near_duplicate_prompt").prompt.text = data.at(first - 2).prompt.text + " please";
  next("no_prompt").prompt.text = "";
  {
    example& e = next("roles");
    e.prompt.text = "\n\nHuman: What is this?\n\nHuman: And that?\n\nAssistant:";
  }
  next("template").chosen.text = " This is it.<|im_end|>";
  for (std::size_t i = 0; i < data.size(); ++i) data[i].line = static_cast<tilt::index>(i) + 1;
  return faults;
}

void all_are_found(std::vector<example> data, std::size_t first, std::size_t step) {
  const auto before = check_data(data).findings;
  const std::vector<planted> faults = plant(data, first, step);
  REQUIRE(faults.size() == 20);
  const auto after = check_data(data).findings;
  for (const planted& f : faults) {
    INFO(f.check << " at line " << f.row + 1);
    const lines found = accused(after, f.check), clean = accused(before, f.check);
    const auto line = static_cast<tilt::index>(f.row) + 1;
    CHECK(std::find(found.begin(), found.end(), line) != found.end());
    CHECK(std::find(clean.begin(), clean.end(), line) == clean.end());  // it is the plant that was found
  }
}

}  // namespace

TEST_CASE("planted faults: twenty of twenty in data made on the spot") {
  const char* const things[] = {"rice", "bread", "tea", "soup", "salad", "cake", "beans", "fish"};
  const char* const places[] = {"at home in the evening", "in a tent by the sea", "for ten hungry friends", "without any electric light",
                                "when the shops are closed"};
  std::vector<example> data;
  for (const char* place : places)
    for (const char* thing : things) {
      std::string prompt = "How would you go about making ", chosen = " You should begin with good ", rejected = " Nobody needs ";
      prompt.append(thing).append(" ").append(place).append(", and what does ").append(thing).append(" need?");
      chosen.append(thing).append(" and take your time ").append(place).append(".");
      rejected.append(thing).append(" so much ").append(place).append(".");
      data.push_back(text_pair(prompt, chosen, rejected));
    }
  data = numbered(std::move(data));
  CHECK(accused(check_data(data).findings, "near_duplicate_prompt").empty());
  all_are_found(std::move(data), 2, 1);
}

TEST_CASE("planted faults: twenty of twenty in HH-RLHF") {
  const auto path = data_folder() / "hh_harmless_1800.jsonl.gz";
  TILT_SKIP_WITHOUT(path);
  std::vector<example> data = read_examples(path);
  all_are_found(std::move(data), 1100, 31);
}

TEST_CASE("HH-RLHF as it is published: as many findings of each kind as docs/check-data.md explains") {
  const auto path = data_folder() / "hh_harmless_1800.jsonl.gz";
  TILT_SKIP_WITHOUT(path);
  std::map<std::string_view, int> found;
  for (const finding& f : check_data(read_examples(path)).findings) ++found[f.check];
  CHECK(found == std::map<std::string_view, int>{{"alike", 3},
                                                 {"empty", 4},
                                                 {"truncated", 191},
                                                 {"repetition", 4},
                                                 {"refusal", 65},
                                                 {"near_duplicate_prompt", 7},
                                                 {"repeated_answer", 3},
                                                 {"roles", 3},
                                                 {"template", 25}});
}
