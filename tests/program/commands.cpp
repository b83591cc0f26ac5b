// SPDX-License-Identifier: Apache-2.0
// What the subcommands read and write, on a model made on the spot.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "bad_input.hpp"
#include "support/catch.hpp"
#include "support/paths.hpp"
#include "tiny_model.hpp"

namespace fs = std::filesystem;
using namespace tilt::test;
using nlohmann::json;

namespace {

struct model_place {
  explicit model_place(const char* name) : folder(scratch_folder(name)), model(folder / "model") { write_tiny_model(model); }
  outcome run(std::vector<std::string> arguments, const std::string& input = "") const {
    write_text(folder / "input", input);
    outcome result = tilt_program(folder, arguments, {.input = folder / "input"});
    INFO(result.err);
    CHECK(result.status == 0);
    return result;
  }
  fs::path folder, model;
};

double sum(const json& values) {
  double total = 0;
  for (const json& v : values) total += v.get<double>();
  return total;
}

}  // namespace

TEST_CASE("tokenize: lines to ids and back") {
  const model_place place("tokenize");
  const std::string text = "Hi you\n\n caf\xc3\xa9 \xf0\x9f\x99\x82\n";
  const outcome ids = place.run({"tokenize", "--model", place.model}, text);
  CHECK(ids.out.rfind("256 72 105 32 121 111 117\n256\n256 32 99 97 102 195 169 ", 0) == 0);
  CHECK(place.run({"tokenize", "--model", place.model, "--decode"}, ids.out).out == text);
  CHECK(place.run({"tokenize", "--model", place.model, "--no-special-tokens"}, "Hi").out == "72 105\n");
  CHECK(place.run({"tokenize", "--model", place.model, "--decode", "--no-special-tokens"}, "[256, 72, 257]\n").out == "<s>H</s>\n");
  const std::string two_lines = json("a\nb").dump() + "\n";
  const outcome listed = place.run({"tokenize", "--model", place.model, "--json"}, two_lines);
  CHECK(listed.out == "[256,97,10,98]\n");
  CHECK(place.run({"tokenize", "--model", place.model, "--json", "--decode"}, listed.out).out == two_lines);
  place.run({"tokenize", "--model", place.model, "--output", place.folder / "ids"}, "Hi\n");
  CHECK(contents(place.folder / "ids") == "256 72 105\n");
}

TEST_CASE("score: pairs, completions, texts, ids") {
  const model_place place("score");
  write_text(place.folder / "data.jsonl", std::string(R"({"prompt": "Q:", "chosen": " yes", "rejected": " no, never"})") + "\n" +
                                              R"({"prompt": "Q:", "completion": " yes"})" + "\n" + R"({"text": "Hi"})" + "\n" +
                                              R"({"ids": [256, 81, 58, 32, 121, 101, 115, 257]})" + "\n");
  const auto lines = json_lines(place.run({"score", "--model", place.model, "--data", place.folder / "data.jsonl"}).out);
  REQUIRE(lines.size() == 4);
  const json& chosen = lines[0]["chosen"];
  CHECK(chosen["ids"] == json({32, 121, 101, 115, 257}));
  CHECK(chosen["tokens"] == 5);
  CHECK(chosen["token_logps"].size() == 5);
  CHECK(chosen["logp"].get<double>() == sum(chosen["token_logps"]));
  CHECK(chosen["logp"].get<double>() < 0);
  CHECK_FALSE(chosen.contains("reference_logp"));
  CHECK(lines[0]["rejected"]["ids"].back() == 257);
  CHECK(lines[1]["completion"] == chosen);  // the same bits alone and in a tree …
  CHECK(lines[2]["text"]["ids"] == json({72, 105, 257}));
  CHECK(lines[3]["ids"] == json({81, 58, 32, 121, 101, 115, 257}));
  const json& flat = lines[3]["token_logps"];
  REQUIRE(flat.size() == 7);
  for (std::size_t t = 0; t < 5; ++t) CHECK(flat[t + 2] == chosen["token_logps"][t]);  // … and as flat ids
}

TEST_CASE("score: responses that are cut are counted") {
  const model_place place("score_cut");
  write_text(place.folder / "data.jsonl", std::string(R"({"prompt": "Q:", "chosen": " yes", "rejected": " no, never"})") + "\n");
  const outcome cut = place.run({"score", "--model", place.model, "--data", place.folder / "data.jsonl", "--max-length", "8"});
  CHECK(cut.err.find("data.jsonl: 1 response cut to max_length") != std::string::npos);
  CHECK(json_lines(cut.out)[0]["rejected"]["tokens"] == 5);
  const outcome whole = place.run({"score", "--model", place.model, "--data", place.folder / "data.jsonl"});
  CHECK(whole.err.find("max_length") == std::string::npos);
  CHECK(json_lines(whole.out)[0]["rejected"]["tokens"] == 11);
}

TEST_CASE("score: another model as reference, without a tokenizer where ids are given") {
  const model_place place("score_reference");
  write_tiny_model(place.folder / "other", 2);
  fs::remove(place.model / "tokenizer.json");
  write_text(place.folder / "ids.jsonl", "{\"ids\": [256, 72, 105]}\n");
  const auto alone = json_lines(place.run({"score", "--model", place.folder / "other", "--data", place.folder / "ids.jsonl"}).out);
  place.run({"score", "--model", place.model, "--reference-model", place.folder / "other", "--data", place.folder / "ids.jsonl", "--output",
             place.folder / "out.jsonl", "--dtype", "float32"});
  const auto lines = json_lines(contents(place.folder / "out.jsonl"));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0]["reference_logp"] == alone[0]["logp"]);
  CHECK(lines[0]["logp"] != alone[0]["logp"]);
}

TEST_CASE("score: beside a reference it sums up the pairs' log-ratios") {
  const model_place place("score_log_ratios");
  write_tiny_model(place.folder / "other", 2);
  write_text(place.folder / "pairs.jsonl", tiny_pairs(5));
  const outcome scored =
      place.run({"score", "--model", place.model, "--reference-model", place.folder / "other", "--data", place.folder / "pairs.jsonl"});
  double chosen = 0, rejected = 0, ahead = 0;
  const auto lines = json_lines(scored.out);
  REQUIRE(lines.size() == 5);
  for (const json& line : lines) {
    const auto ratio = [&line](const char* side) { return line[side]["logp"].get<double>() - line[side]["reference_logp"].get<double>(); };
    chosen += ratio("chosen") / 5;
    rejected += ratio("rejected") / 5;
    ahead += ratio("chosen") > ratio("rejected") ? 1 : 0;
  }
  char wanted[160];
  std::snprintf(wanted, sizeof wanted, "of 5 pairs %.3f have", ahead / 5);
  CHECK(scored.err.find(wanted) != std::string::npos);
  const std::size_t at = scored.err.find("mean log-ratio ");
  REQUIRE(at != std::string::npos);
  double said_chosen = 0, said_rejected = 0;
  REQUIRE(std::sscanf(scored.err.c_str() + at, "mean log-ratio %lf of the chosen, %lf of the rejected", &said_chosen, &said_rejected) == 2);
  CHECK(std::abs(said_chosen - chosen) < 1e-4);
  CHECK(std::abs(said_rejected - rejected) < 1e-4);
}

TEST_CASE("results do not replace what they are made from") {
  const model_place place("same_file");
  const auto kept = [&](std::vector<std::string> command, const std::string& text) {
    write_text(place.folder / "data", text);
    command.insert(command.end(), {"--model", place.model, "--data", place.folder / "data", "--output", place.folder / "." / "data"});
    const outcome result = tilt_program(place.folder, command);
    CHECK(result.status == 2);
    CHECK(result.err.find("is the data itself") != std::string::npos);
    CHECK(contents(place.folder / "data") == text);
  };
  kept({"score"}, R"({"text": "Some text"})");
  kept({"generate"}, "Some text");
  kept({"prefer", "--rule", "length", "--num-samples", "2"}, "Some text");
  kept({"tokenize"}, "Some text");
  for (const char* command : {"score", "generate", "tokenize"})
    refuses(
        tilt_program(place.folder, {command, "--model", place.model, "--data", place.folder / "data", "--output", place.folder / "out.gz"}),
        {"--output: ", "out.gz would not be packed; give a name without .gz"});
  fs::rename(place.folder / "data", place.folder / "data.csv");
  refuses(tilt_program(place.folder, {"generate", "--model", place.model, "--data", place.folder / "data.csv"}),
          {"data.csv: is a table by its name; give a prompt a line"});
}

TEST_CASE("dpo: what it finds in the data is said, with lines") {
  const model_place place("said_of_data");
  write_text(place.folder / "pairs.jsonl", R"({"prompt": "Q:", "chosen": " a", "rejected": " a"})"
                                           "\n"
                                           R"({"question": "Q:", "chosen": "b", "rejected": "c"})"
                                           "\n"
                                           R"({"prompt": "Q:", "chosen": " d", "rejected": " e"})"
                                           "\n");
  const auto said = [&](std::vector<std::string> more) {
    std::vector<std::string> all{"dpo", "--model", place.model, "--train", place.folder / "pairs.jsonl", "--max-steps", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return place.run(all).err;
  };
  const std::string usual = said({"--output", place.folder / "a"}), shorter = said({"--output", place.folder / "b", "--max-length", "16"});
  CHECK(usual.find("are the same tokens: 1 (line 1)") != std::string::npos);
  CHECK(usual.find("no prompt, and responses with no beginning in common: 1 (line 2)") != std::string::npos);
  CHECK(usual.find("tilt: max_length is ") != std::string::npos);  // the default is more than the model's positions
  CHECK(shorter.find("tilt: max_length is ") == std::string::npos);
}

TEST_CASE("kto: a pair that cannot be used is told by its line once") {
  const model_place place("kto_line_once");
  const std::string long_prompt(120, 'p');
  write_text(place.folder / "pairs.jsonl", tiny_pairs(3) + json{{"prompt", long_prompt}, {"chosen", "a"}, {"rejected", "b"}}.dump() + "\n");
  const outcome result = place.run(
      {"kto", "--model", place.model, "--train", place.folder / "pairs.jsonl", "--output", place.folder / "out", "--max-steps", "1"});
  CHECK(result.err.find("6 of 8 examples; left out, as the prompt fills max_length: 2 (line 4)\n") != std::string::npos);
}

TEST_CASE("sft: of rankings the best response, and no completion that is labelled false") {
  const model_place place("sft_shapes");
  write_text(place.folder / "train.jsonl", R"({"prompt": "Q:", "responses": [" good", " bad"]})"
                                           "\n"
                                           R"({"prompt": "Q:", "completion": " wrong", "label": false})"
                                           "\n");
  write_text(place.folder / "same.jsonl", R"({"prompt": "Q:", "completion": " good"})");
  const auto loss = [&](const char* data, const char* output) {
    const outcome result = place.run({"sft", "--model", place.model, "--train", place.folder / data, "--output", place.folder / output,
                                      "--max-steps", "1", "--logging-steps", "1", "--threads", "1"});
    INFO(result.err);
    REQUIRE(result.status == 0);
    CHECK((result.err.find("their label is false: 1 (line 2)") != std::string::npos) == (std::string(data) == "train.jsonl"));
    return json_lines(contents(place.folder / output / "metrics.jsonl"))[0]["loss"];
  };
  CHECK(loss("train.jsonl", "a") == loss("same.jsonl", "b"));
}

TEST_CASE("backends: what was compiled in, the default first") {
  const model_place place("backends_list");
  const std::string out = place.run({"backends"}).out;
  CHECK(out.find("reference") != std::string::npos);
  CHECK(out.find("float32, float64") != std::string::npos);
  const std::string help = place.run({"score", "--help"}).out;
  const std::size_t eigen = out.find("\n eigen "), reference = out.find("\n reference ");
  CHECK(reference != std::string::npos);
  CHECK((eigen == std::string::npos) == (help.find("[eigen]") == std::string::npos));
  if (eigen != std::string::npos) CHECK(eigen < reference);
}

TEST_CASE("backends agree") {
  const model_place place("backends");
  write_text(place.folder / "data.jsonl", tiny_pairs(3));
  const std::vector<std::string> score{"score",   "--model", place.model, "--data", place.folder / "data.jsonl",
                                       "--dtype", "float64", "--backend"};
  const auto with = [&](const char* backend) {
    std::vector<std::string> all = score;
    all.push_back(backend);
    return json_lines(place.run(all).out);
  };
  if (place.run({"backends"}).out.find("eigen") == std::string::npos) return;
  const auto a = with("reference"), b = with("eigen");
  REQUIRE(a.size() == 3);
  for (std::size_t i = 0; i < a.size(); ++i)
    for (const char* side : {"chosen", "rejected"})
      CHECK(std::abs(a[i][side]["logp"].get<double>() - b[i][side]["logp"].get<double>()) < 1e-10);
}

TEST_CASE("generate: as many as asked for, the same for the same seed") {
  const model_place place("generate");
  const std::vector<std::string> base{"generate", "--model", place.model, "--prompt", "Q:", "--max-new-tokens", "5", "--json"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = base;
    all.insert(all.end(), more.begin(), more.end());
    return place.run(all).out;
  };
  const auto four = json_lines(with({"--num-samples", "4"}));
  REQUIRE(four.size() == 4);
  CHECK(four[0]["prompt"] == "Q:");
  CHECK(four[0]["ids"].size() <= 5);
  CHECK(four[0] != four[1]);
  CHECK(json_lines(with({"--num-samples", "2"}))[1] == four[1]);  // a sample is its own number's
  for (const json& one : four) {
    CHECK(one["ids"].size() == one["token_logps"].size());
    CHECK(one["logp"].get<double>() == sum(one["token_logps"]));
    CHECK((one["finish_reason"] == "eos") == (one["ids"].back() == 257));
    CHECK((one["finish_reason"] == "length") == (one["ids"].back() != 257));
  }
  CHECK(with({"--seed", "7"}) != with({"--seed", "8"}));
  CHECK(with({"--temperature", "0"}) == with({"--temperature", "0", "--seed", "8"}));
  const auto from_lines =
      json_lines(place.run({"generate", "--model", place.model, "--max-new-tokens", "3", "--json"}, "Q:\n{\"prompt\": \"R:\"}\n").out);
  REQUIRE(from_lines.size() == 2);
  CHECK(from_lines[1]["prompt"] == "R:");
}

TEST_CASE("generate: a sample is the same in any company, and scores to the bit as it was drawn") {
  const model_place place("generate_company");
  const std::vector<std::string> base{"generate", "--model", place.model, "--json", "--max-new-tokens",     "8",
                                      "--top-k",  "200",     "--min-p",   "0.001",  "--repetition-penalty", "1.1"};
  const auto with = [&](const std::string& input, const char* samples) {
    std::vector<std::string> all = base;
    all.insert(all.end(), {"--num-samples", samples});
    return json_lines(place.run(all, input).out);
  };
  const auto alone = with("Q:\n", "2");
  const auto together = with("A longer prompt than the other\nQ:\nR\nQ:\n", "2");
  REQUIRE(together.size() == 8);
  CHECK(together[2] == alone[0]);
  CHECK(together[3] == alone[1]);
  CHECK(json{together[6], together[7]} == json{with("Q:\n", "4")[2], with("Q:\n", "4")[3]});  // the same prompt again goes on counting
  std::string rows;
  for (const json& one : together) {
    std::vector<int> ids = one["prompt_ids"].get<std::vector<int>>();
    for (const json& id : one["ids"]) ids.push_back(id.get<int>());
    rows += json{{"ids", ids}}.dump() + "\n";
  }
  write_text(place.folder / "rows.jsonl", rows);
  const auto scored = json_lines(place.run({"score", "--model", place.model, "--data", place.folder / "rows.jsonl"}).out);
  REQUIRE(scored.size() == 8);
  for (std::size_t i = 0; i < 8; ++i) {
    const std::size_t n = together[i]["ids"].size(), whole = scored[i]["token_logps"].size();
    for (std::size_t t = 0; t < n; ++t) CHECK(scored[i]["token_logps"][whole - n + t] == together[i]["token_logps"][t]);
  }
}

TEST_CASE("generate, prefer: a prompt that is longer than max_prompt_length keeps its last tokens") {
  const model_place place("max_prompt_length");
  write_text(place.folder / "prompts.txt", "a long question:\nQ:\n");
  const std::vector<std::string> how{"--model", place.model,        "--data", place.folder / "prompts.txt", "--num-samples",
                                     "3",       "--max-new-tokens", "6",      "--max-prompt-length",        "5"};
  const auto run = [&](const char* command, std::vector<std::string> more) {
    more.insert(more.begin(), how.begin(), how.end());
    more.insert(more.begin(), command);
    const outcome result = place.run(more);
    CHECK(result.err.find("prompts.txt: 1 prompt cut to max_prompt_length\n") != std::string::npos);
    return json_lines(result.out);
  };
  const auto samples = run("generate", {"--json"});
  REQUIRE(samples.size() == 6);
  CHECK(samples[0]["prompt"] == "a long question:");
  CHECK(samples[0]["prompt_ids"] == json{'t', 'i', 'o', 'n', ':'});
  CHECK(samples[3]["prompt_ids"] == json{256, 'Q', ':'});
  const outcome one = place.run(
      {"generate", "--model", place.model, "--prompt", "a long question:", "--json", "--max-new-tokens", "6", "--max-prompt-length", "5"});
  CHECK(json_lines(one.out).at(0)["completion"] == samples[0]["completion"]);
  CHECK(one.err.find("the prompt is cut to max_prompt_length") != std::string::npos);
  std::vector<std::string> texts;
  for (const json& sample : samples) texts.push_back(sample["completion"]);
  for (const json& pair : run("prefer", {"--rule", "keyword", "--keyword", "\xEF\xBF\xBD"}))
    for (const char* answer : {"chosen", "rejected"})
      CHECK(std::find(texts.begin(), texts.end(), pair[answer].get<std::string>()) != texts.end());
}

TEST_CASE("generate: of pairs without a prompt it continues what they have in common, as training on them takes it") {
  const model_place place("implicit_prompts");
  json config = json::parse(contents(place.model / "tokenizer_config.json"));
  config["chat_template"] =
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  write_text(place.model / "tokenizer_config.json", config.dump());
  const auto said = [](const char* role, const char* content) { return json{{"role", role}, {"content", content}}; };
  const auto generated = [&](const std::string& lines) {
    return json_lines(place.run({"generate", "--model", place.model, "--json", "--max-new-tokens", "4"}, lines).out);
  };
  const auto implicit = generated(
      json{{"prompt", nullptr}, {"chosen", "Q: the end"}, {"rejected", "Q: there"}}.dump() + "\n" +
      json{{"chosen", {said("user", "Q"), said("assistant", "a")}}, {"rejected", {said("user", "Q"), said("assistant", "b")}}}.dump() +
      "\n");
  CHECK(implicit == generated(json{{"prompt", "Q: the"}}.dump() + "\n" + json{{"prompt", {said("user", "Q")}}}.dump() + "\n"));
  REQUIRE(implicit.size() == 2);
  CHECK(implicit[0]["prompt_ids"] == json{256, 'Q', ':', ' ', 't', 'h', 'e'});
  CHECK(implicit[1]["prompt"] == "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n");
  write_text(place.folder / "apart.jsonl", "Q:\n" + json{{"chosen", "yes"}, {"rejected", "no"}}.dump() + "\n");
  const outcome apart = tilt_program(place.folder, {"generate", "--model", place.model, "--data", place.folder / "apart.jsonl"});
  CHECK(apart.status == 2);
  CHECK(apart.err.find("apart.jsonl:2: has no \"prompt\", and chosen and rejected have no beginning in common; ") != std::string::npos);
}

TEST_CASE("generate: interrupted, it says so and leaves nothing half written") {
  const model_place place("generate_interrupted");
  std::string prompts;
  for (int i = 0; i < 2000; ++i) prompts += "Q" + std::to_string(i) + "\n";
  write_text(place.folder / "prompts.txt", prompts);
  fs::create_directory(place.folder / "out");
  const outcome stopped = tilt_program(place.folder,
                                       {"generate", "--model", place.model, "--data", place.folder / "prompts.txt", "--max-new-tokens",
                                        "64", "--num-samples", "4", "--output", place.folder / "out" / "samples"},
                                       {.signal = SIGTERM, .signal_when = place.folder / "out"});
  INFO(stopped.err);
  CHECK(stopped.status == 130);
  CHECK(stopped.err.find("tilt: interrupted; ") != std::string::npos);
  CHECK(fs::is_empty(place.folder / "out"));
}

TEST_CASE("generate: stop strings, max_length, and text that is written as it grows") {
  const model_place place("generate_stop");
  const std::vector<std::string> base{"generate", "--model", place.model, "--prompt", "Q:", "--num-samples", "3"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = base;
    all.insert(all.end(), more.begin(), more.end());
    return place.run(all).out;
  };
  const auto free = json_lines(with({"--json", "--max-new-tokens", "40"}));
  std::string texts;
  for (std::size_t i = 0; i < free.size(); ++i)
    texts += "--- sample " + std::to_string(i + 1) + " of 3\nQ:" + free[i]["completion"].get<std::string>() + "\n";
  CHECK(with({"--max-new-tokens", "40"}) == texts);
  CHECK(json_lines(with({"--json", "--max-length", "43"})) == free);  // three tokens of prompt
  const std::string completion = free[1]["completion"];
  std::string stop;  // a character of the second text that is one byte
  for (std::size_t i = 3; i < completion.size() && stop.empty(); ++i)
    if (completion[i] > ' ') stop = completion.substr(i, 1);
  REQUIRE_FALSE(stop.empty());
  const auto stopped = json_lines(with({"--json", "--max-new-tokens", "40", "--stop", "never met", stop}));
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string whole = free[i]["completion"], cut = whole.substr(0, whole.find(stop));
    CHECK(stopped[i]["completion"] == cut);
    CHECK((stopped[i]["finish_reason"] == "stop") == (cut.size() < whole.size()));
  }
  CHECK(stopped[1]["finish_reason"] == "stop");
  CHECK(stopped[1]["ids"].size() < free[1]["ids"].size());
}

TEST_CASE("configuration: TRL's keys as they stand, the command line before the file") {
  const model_place place("config");
  write_text(place.folder / "train.jsonl", tiny_pairs(6));
  write_text(place.folder / "trl.json", json{{"loss_type", {"ipo"}},
                                             {"beta", 0.3},
                                             {"per_device_train_batch_size", 2},
                                             {"bf16", true},
                                             {"train_sampling_strategy", "sequential"},
                                             {"max_steps", 2},
                                             {"logging_steps", 1.0},
                                             {"save_strategy", "no"},
                                             {"report_to", json::array()},
                                             {"label_smoothing", 0},
                                             {"f_divergence_type", "reverse_kl"},
                                             {"max_length", nullptr},
                                             {"learning_rate", 1e-3}}
                                            .dump());
  write_text(place.folder / "same.yaml",
             "loss_type: ipo\nbeta: 0.3\nbatch_size: 2\nshuffle: no\nmax_steps: 2\nlogging_steps: 1\nlearning_rate: 1e-3\n");
  const auto run = [&](const char* output, std::vector<std::string> more) {
    std::vector<std::string> all{"dpo", "--model", place.model, "--train", place.folder / "train.jsonl", "--output", place.folder / output};
    all.insert(all.end(), more.begin(), more.end());
    const outcome result = place.run(all);
    CHECK(result.out.empty());
    return std::pair(contents(place.folder / output / "metrics.jsonl"), result.err);
  };
  const auto [by_trl, messages] = run("a", {"--config", place.folder / "trl.json"});
  CHECK(messages.find("keys without a meaning here: bf16, report_to") != std::string::npos);
  CHECK(run("b", {"--config", place.folder / "same.yaml"}).first == by_trl);
  CHECK(run("c", {"--loss-type", "ipo", "--beta", "0.3", "--batch-size", "2", "--no-shuffle", "--max-steps", "2", "--logging-steps", "1",
                  "--learning-rate", "1e-3"})
            .first == by_trl);
  CHECK(run("d", {"--loss_type=ipo", "--beta=0.3", "--per_device_train_batch_size=2", "--no-shuffle", "--max-steps=2", "--logging-steps=1",
                  "--learning-rate=1e-3"})
            .first == by_trl);
  const auto lines = json_lines(by_trl);
  REQUIRE(lines.size() == 2);
  CHECK(std::abs(lines[0]["loss"].get<double>() - 1 / (4 * 0.3 * 0.3)) < 1e-12);  // IPO's start
  CHECK(lines[0]["learning_rate"] == 1e-3);
  CHECK(json_lines(run("e", {"--config", place.folder / "trl.json", "--beta", "0.5"}).first)[0]["loss"] == 1);
}

TEST_CASE("a run's outputs: a model folder, a log, checkpoints that are model folders too") {
  const model_place place("outputs");
  write_text(place.folder / "train.jsonl",
             tiny_pairs(6) + R"({"prompt": ")" + std::string(120, 'p') + R"(", "chosen": "a", "rejected": "b"})" + "\n");
  write_text(place.folder / "eval.jsonl", tiny_pairs(2, 30));
  const outcome result = place.run({"dpo",
                                    "--model",
                                    place.model,
                                    "--train",
                                    place.folder / "train.jsonl",
                                    "--eval",
                                    place.folder / "eval.jsonl",
                                    "--output",
                                    place.folder / "out",
                                    "--max-steps",
                                    "4",
                                    "--batch-size",
                                    "2",
                                    "--logging-steps",
                                    "2",
                                    "--save-steps",
                                    "2",
                                    "--learning-rate",
                                    "1e-2",
                                    "--keep-best",
                                    "--eval-steps",
                                    "2"});
  CHECK(result.err.find("6 of 7 examples; left out, as the prompt fills max_length: 1 (line 7)") != std::string::npos);
  for (const char* folder : {"out", "out/checkpoint-2", "out/checkpoint-4", "out/checkpoint-best"})
    for (const char* file : {"config.json", "tokenizer.json", "model.safetensors"}) {
      INFO(folder << "/" << file);
      CHECK(fs::exists(place.folder / folder / file));
    }
  CHECK(contents(place.folder / "out" / "model.safetensors") == contents(place.folder / "out" / "checkpoint-4" / "model.safetensors"));
  const auto log = json_lines(contents(place.folder / "out" / "metrics.jsonl"));
  REQUIRE(log.size() == 5);  // evaluations at 0, 2, 4, lines at 2, 4
  CHECK(log[0]["eval_rewards/margins"] == 0);
  CHECK(log[0]["step"] == 0);
  CHECK(log[1]["step"] == 2);
  for (const char* key : {"loss", "grad_norm", "learning_rate", "epoch", "num_tokens", "entropy", "rewards/chosen", "rewards/rejected",
                          "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected", "logits/chosen", "logits/rejected",
                          "mean_token_accuracy", "kl", "chosen_falling"}) {
    INFO(key);
    CHECK(log[1].contains(key));
  }
  const json took = json::parse(contents(place.folder / "out" / "train_results.json"));
  CHECK(took["train_runtime"] >= took["first_step_runtime"]);
  CHECK(took["train_samples_per_second"].get<double>() == Approx(2 * took["train_steps_per_second"].get<double>()));
  CHECK(took["peak_memory_mb"] > 0);
  const auto scores = json_lines(place.run({"score", "--model", place.folder / "out", "--data", place.folder / "eval.jsonl"}).out);
  CHECK(scores.size() == 2);
}

TEST_CASE("generate: a completion keeps the space before its first word, and scores as it was sampled") {
  const fs::path model = data_folder() / "stories260K", folder = scratch_folder("leading_space");
  TILT_SKIP_WITHOUT(model);
  const outcome made = tilt_program(
      folder, {"generate", "--model", model, "--prompt", "Lily and Tom", "--temperature", "0", "--max-new-tokens", "6", "--json"});
  REQUIRE(made.status == 0);
  const json sample = json::parse(made.out);
  CHECK(sample["completion"].get<std::string>().starts_with(" "));
  write_text(folder / "row.jsonl", json{{"prompt", "Lily and Tom"}, {"completion", sample["completion"]}}.dump() + "\n");
  const auto scored = json_lines(tilt_program(folder, {"score", "--model", model, "--data", folder / "row.jsonl"}).out);
  REQUIRE(scored.size() == 1);
  std::vector<int> ids = scored[0]["completion"]["ids"].get<std::vector<int>>();
  ids.pop_back();  // the end token
  CHECK(ids == sample["ids"].get<std::vector<int>>());
}

TEST_CASE("help and versions") {
  const fs::path folder = scratch_folder("help");
  for (const char* command : {"dpo", "kto", "sft", "generate", "score", "tokenize", "demo", "claims"}) {
    const outcome help = tilt_program(folder, {command, "--help"});
    INFO(command);
    CHECK(help.status == 0);
    CHECK(help.out.size() > 300);
    CHECK(help.err.empty());
  }
  CHECK(tilt_program(folder, {"--version"}).out.rfind("tilt ", 0) == 0);
  CHECK(tilt_program(folder, {}).status == 2);
}

TEST_CASE("the scripts tell their usage and end") {
  const fs::path folder = scratch_folder("help_of_scripts");
  for (const std::string script : {"demo", "test"})
    for (const std::string help : {"--help", "-h"}) {
      const std::string command = std::string("scripts/") + script, said = (folder / "said").string();
      REQUIRE(std::system((std::string(TILT_SOURCE_DIR "/") + command + " " + help + " > '" + said + "' 2>&1").c_str()) == 0);
      const std::string text = contents(said);
      CHECK(text.starts_with(command + " ["));
      CHECK(std::count(text.begin(), text.end(), '\n') == 1);
    }
}

TEST_CASE("dpo: several losses, weighted") {
  const model_place place("losses");
  write_text(place.folder / "train.jsonl", tiny_pairs(6));
  const auto run = [&](const char* output, std::vector<std::string> more) {
    std::vector<std::string> all{"dpo",
                                 "--model",
                                 place.model,
                                 "--train",
                                 place.folder / "train.jsonl",
                                 "--output",
                                 place.folder / output,
                                 "--batch-size",
                                 "2",
                                 "--max-steps",
                                 "3",
                                 "--learning-rate",
                                 "1e-2"};
    all.insert(all.end(), more.begin(), more.end());
    place.run(all);
    return contents(place.folder / output / "model.safetensors");
  };
  const std::string one = run("one", {}), two = run("two", {"--loss-type", "sigmoid", "ipo", "--beta", "0.2"});
  CHECK((run("other_off", {"--loss-type", "sigmoid", "ipo", "--loss-weights", "1", "0"}) == one));
  CHECK((two != one));
  write_text(place.folder / "two.json", json{{"loss_type", {"sigmoid", "ipo"}}, {"loss_weights", {1.0, 1.0}}, {"beta", 0.2}}.dump());
  CHECK((run("from_file", {"--config", place.folder / "two.json"}) == two));
  CHECK((run("with_sft", {"--loss-type", "sigmoid", "sft", "--loss-weights", "1", "0.5"}) != one));
}
