// SPDX-License-Identifier: Apache-2.0
// tilt compare: its numbers from its answers, the two orders in which a judge is asked, the page, and what is refused.
#include <algorithm>
#include <cmath>
#include <tilt/data/clustered.hpp>

#include "bad_input.hpp"

using namespace tilt::test;
using nlohmann::json;

namespace {

/// Three models, the third a copy of the first.
workplace comparing(const char* name) {
  workplace place(name);
  write_tiny_model(place.folder / "other", 2);
  fs::copy(place.model, place.folder / "copy");
  write_text(place.train, "{\"prompt\": \"Q:\"}\n{\"prompt\": \"R & <b>S</b>\"}\nthird\nfourth\n");
  place.arguments = {"compare", "--model",   place.model, place.folder / "other", place.folder / "copy",
                     "--data",  place.train, "--output",  place.output,           "--max-new-tokens",
                     "6",       "--threads", "1"};
  return place;
}
json compared(const workplace& place, std::vector<std::string> more) {
  fs::remove_all(place.output);
  const outcome result = place.run(std::move(more));
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(result.out.find("distinct-2") != std::string::npos);
  return json::parse(contents(place.output / "comparison.json"));
}
const std::vector<std::string> by_letters{"--rule", "keyword", "--keyword", "\xEF\xBF\xBD"};  // which a random model writes often
std::vector<std::string> with(std::vector<std::string> options, std::initializer_list<std::string> more) {
  options.insert(options.end(), more);
  return options;
}
/// A number of each answer of a model, prompt by prompt.
std::vector<std::vector<double>> each(const json& comparison, std::size_t model, const char* key) {
  std::vector<std::vector<double>> values;
  for (const json& prompt : comparison["prompts"]) {
    values.emplace_back();
    for (const json& a : prompt["answers"][model])
      values.back().push_back(a[key].is_boolean() ? (a[key].get<bool>() ? 1.0 : 0.0) : a[key].get<double>());
  }
  return values;
}
void agrees(const json& told, const std::vector<std::vector<double>>& values) {
  const tilt::mean_estimate m = tilt::clustered_mean(values);
  CHECK(told["mean"].get<double>() == m.value);
  CHECK(told["standard_error"].get<double>() == m.standard_error);
}

}  // namespace

TEST_CASE("compare: means, wins and intervals are those of the answers, a copy of the first model ties with it and has KL 0") {
  const workplace place = comparing("compare_numbers");
  const json c = compared(place, with(by_letters, {"--num-samples", "3"}));
  REQUIRE(c["models"].size() == 3);
  REQUIRE(c["prompts"].size() == 4);
  for (std::size_t m = 0; m < 3; ++m) {
    const json& of_model = c["models"][m];
    agrees(of_model["reward"], each(c, m, "score"));
    agrees(of_model["kl"], each(c, m, "log_ratio"));
    agrees(of_model["tokens"], each(c, m, "tokens"));
    agrees(of_model["ended"], each(c, m, "complete"));
  }
  CHECK(c["models"][0]["win_rate_by_score"].is_null());
  CHECK(c["models"][0]["kl"]["mean"] == 0);
  CHECK(c["models"][2]["kl"]["mean"] == 0);  // to the bit, as a sample's log-probabilities are those of any other pass
  CHECK(c["models"][1]["kl"]["mean"] != 0);
  CHECK(c["models"][2]["by_score"]["ties"] == 12);
  CHECK(c["models"][2]["win_rate_by_score"]["share"] == 0.5);
  const auto own = each(c, 1, "score"), other = each(c, 0, "score");
  std::vector<std::vector<double>> wins(4);
  int ties = 0;
  for (std::size_t p = 0; p < 4; ++p)
    for (std::size_t j = 0; j < 3; ++j) {
      wins[p].push_back(own[p][j] > other[p][j] ? 1 : own[p][j] < other[p][j] ? 0 : 0.5);
      ties += own[p][j] == other[p][j];
    }
  const tilt::interval share = tilt::clustered_share(wins);
  CHECK(c["models"][1]["win_rate_by_score"]["share"] == share.value);
  CHECK(c["models"][1]["win_rate_by_score"]["low"] == share.low);
  CHECK(c["models"][1]["win_rate_by_score"]["high"] == share.high);
  CHECK(c["models"][1]["by_score"]["ties"] == ties);
}

TEST_CASE("compare: answers are those of tilt generate, whatever is beside them, log-ratios are differences of tilt score") {
  for (const char* longest : {"0", "3"}) {
    INFO("prompts of " << longest << " tokens at most");
    const workplace place = comparing("compare_answers");
    const json c = compared(place, with(by_letters, {"--seed", "7", "--max-prompt-length", longest}));
    const auto samples =
        json_lines(tilt_program(place.folder, {"generate", "--model", place.folder / "other", "--prompt", "third", "--seed", "7",
                                               "--max-new-tokens", "6", "--threads", "1", "--json", "--max-prompt-length", longest})
                       .out);
    REQUIRE(samples.size() == 1);
    const json& answer = c["prompts"][2]["answers"][1][0];
    CHECK(answer["text"] == samples[0]["completion"]);
    CHECK(answer["logp"].get<double>() == Approx(samples[0]["logp"].get<double>()).epsilon(1e-12));
    std::vector<int> ids = samples[0]["prompt_ids"];
    const std::size_t prompt = ids.size();
    CHECK(prompt == (longest[0] == '0' ? 6 : 3));
    for (const int id : samples[0]["ids"]) ids.push_back(id);
    write_text(place.folder / "ids.jsonl", json{{"ids", ids}}.dump() + "\n");
    const auto scored = json_lines(
        tilt_program(place.folder, {"score", "--model", place.model, "--data", place.folder / "ids.jsonl", "--threads", "1"}).out);
    double reference = 0;
    for (std::size_t t = prompt - 1; t + 1 < ids.size(); ++t) reference += scored[0]["token_logps"][t].get<double>();
    CHECK(answer["log_ratio"].get<double>() == Approx(answer["logp"].get<double>() - reference).epsilon(1e-12));
  }
}

TEST_CASE("compare: a judge is asked in both orders, and one that goes by the place only ties") {
  const workplace place = comparing("compare_judge");
  write_text(place.folder / "first.sh", "tee \"$1\" | sed 's/.*\"id\":\\([0-9]*\\).*/{\"id\": \\1, \"choice\": 0}/'\n");
  const std::string judge = "sh " + (place.folder / "first.sh").string() + " " + (place.folder / "seen").string();
  const json c = compared(place, {"--judge", judge});
  CHECK(c["models"][1]["win_rate_by_judge"]["share"] == 0.5);
  CHECK(c["models"][1]["by_judge"]["ties_by_place"] == 4);
  CHECK(c["models"][2]["by_judge"]["ties_by_place"] == 0);  // equal texts are not asked about
  CHECK(c["models"][1]["win_rate_by_score"].is_null());
  CHECK(c["models"][1]["reward"].is_null());
  const auto seen = json_lines(contents(place.folder / "seen"));
  REQUIRE(seen.size() == 8);
  for (std::size_t q = 0; q < 8; q += 2) {
    CHECK(seen[q]["responses"][0] == seen[q + 1]["responses"][1]);
    CHECK(seen[q]["responses"][1] == seen[q + 1]["responses"][0]);
  }
}

TEST_CASE("compare: the page needs nothing else, and shows texts as they are") {
  const workplace place = comparing("compare_page");
  compared(place, by_letters);
  const std::string page = contents(place.output / "comparison.html");
  CHECK(page.find("R &amp; &lt;b&gt;S&lt;/b&gt;") != std::string::npos);
  for (const char* never : {"<script", "<b>", "http://", "https://", "src="}) {
    INFO(never);
    CHECK(page.find(never) == std::string::npos);
  }
  CHECK(std::ranges::none_of(page, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r'; }));
  for (const char* there : {"prefers-color-scheme: dark", "log-ratio", "by score", "Wilson"}) CHECK(page.find(there) != std::string::npos);
}

TEST_CASE("compare: a lexicon marks answers by whole words") {
  const workplace place = comparing("compare_toxic");
  write_text(place.folder / "words", "\nQzq\n");
  const json none = compared(place, with(by_letters, {"--toxicity-lexicon", place.folder / "words", "--temperature", "0"}));
  CHECK(none["models"][0]["toxic"]["mean"] == 0);
  std::string letters;
  for (char c = 'a'; c <= 'z'; ++c) letters.append(1, c).append("\n");
  for (char c = '0'; c <= '9'; ++c) letters.append(1, c).append("\n");
  write_text(place.folder / "words", letters);
  const json some = compared(place, with(by_letters, {"--toxicity-lexicon", place.folder / "words", "--num-samples", "8"}));
  CHECK(some["models"][0]["toxic"]["mean"] > 0);
  CHECK(some["models"][0]["toxic"]["mean"] < 1);
  write_text(place.folder / "words", "one\ntwo words\n");
  refused(comparing("compare_words"), {"words:2", "one word"}, with(by_letters, {"--toxicity-lexicon", place.folder / "words"}));
}

TEST_CASE("compare: KL is left out where it cannot be told, and that is said") {
  const workplace place = comparing("compare_kl");
  json tokenizer = tiny_tokenizer();
  tokenizer["post_processor"] = nullptr;  // no begin token
  write_text(place.folder / "copy" / "tokenizer.json", tokenizer.dump());
  const json c = compared(place, by_letters);
  CHECK(c["models"][1]["kl"].is_object());
  CHECK(c["models"][2]["kl"].is_null());
  CHECK(c["notes"].dump().find("copy is left out") != std::string::npos);
  const json warm = compared(place, with(by_letters, {"--temperature", "0.7"}));
  CHECK(warm["models"][1]["kl"].is_null());
  CHECK(warm["notes"].dump().find("KL is left out") != std::string::npos);
}

TEST_CASE("compare: the prompts that were cut are counted once, not by each model") {
  const workplace place = comparing("compare_cut");
  const outcome result = place.run(with(by_letters, {"--max-prompt-length", "4"}));
  INFO(result.err);
  REQUIRE(result.status == 0);
  const std::string said = "train.jsonl: 3 prompts cut to max_prompt_length\n";
  const std::size_t first = result.err.find(said);
  REQUIRE(first != std::string::npos);
  CHECK(result.err.find("cut to max_prompt_length", first + said.size()) == std::string::npos);
}

TEST_CASE("compare: what cannot be compared is refused") {
  workplace place = comparing("compare_refused");
  write_text(place.folder / "long.txt", "Q:\n" + std::string(100, 'p') + "\n");
  workplace longer = place;
  longer.leave_out("--data");
  refused(longer, {"long.txt:2: the prompt has 101 tokens, more than the model's 96 positions; cut prompts with --max-prompt-length"},
          with(by_letters, {"--data", place.folder / "long.txt"}));
  refused(place, {"--judge", "--rule", "--reward-model"});
  refused(place, {"--rule", "--reward-model", "both"}, {"--rule", "length", "--reward-model", place.model});
  refused(place, {"--reward-model", "no reward model"}, {"--reward-model", place.model});
  refused(place, {"--reference-model", "KL"}, with(by_letters, {"--reference-model", place.model, "--temperature", "0.7"}));
  refused(place, {"nowhere"}, with(by_letters, {"--reference-model", place.folder / "nowhere"}));
  refused(place, {"--num-samples", "0"}, with(by_letters, {"--num-samples", "0"}));
  refused(place, {"--max-tokens", "0"}, with(by_letters, {"--max-tokens", "0"}));
  refused(place, {"--keyword"}, {"--rule", "length", "--keyword", "x"});
  const auto without = [&](const char* option, std::initializer_list<std::string> more, std::initializer_list<const char*> words) {
    workplace less = place;
    less.leave_out(option);
    refused(less, words, with(by_letters, more));
  };
  without("--output", {}, {"--output"});
  without("--data", {}, {"--data"});
  without("--data", {"--data", "-"}, {"--data", "standard input"});
  place.arguments.erase(place.arguments.begin() + 3, place.arguments.begin() + 5);
  refused(place, {"--model", "one model"}, by_letters);
  place.arguments.insert(place.arguments.begin() + 3, place.model);
  refused(place, {"--model", "twice"}, by_letters);
}
