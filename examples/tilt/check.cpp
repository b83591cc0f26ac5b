// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <tilt/io/model_folder.hpp>
#include <vector>

#include "check_report.hpp"
#include "cleaned_rows.hpp"
#include "commands.hpp"
#include "run_settings.hpp"
#include "scorer.hpp"
#include "setting_text.hpp"
#include "settings.hpp"
#include "text_io.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
Looks for what spoils preference data and tells each finding with its line. docs/check-data.md explains the checks and their thresholds.

  tilt check --data pairs.jsonl --output report.json --fix cleaned.jsonl
  tilt check --data pairs.jsonl --reward-model SmolLM2-reward)";

struct check_command {
  explicit check_command(CLI::App& app) : options(app) {
    std::vector<std::string> names, droppable;
    for (const check_description& c : check_table) {
      names.emplace_back(c.name);
      if (c.name != "length_bias") droppable.emplace_back(c.name);
      if (c.severity == check_severity::error || c.name == "repeated_pair") drop.emplace_back(c.name);
    }
    std::string usual;
    for (const std::string& name : drop) usual.append(usual.empty() ? "" : " ").append(name);
    options.group("Files");
    options.add("data", data, "JSONL or JSON of pairs, rankings, completions or texts, also .gz", "FILE");
    options.add("output", output, "also write all findings as JSON", "FILE");
    options.add("fix", fix, "write the rows that no check of --drop accuses, byte for byte and in order", "FILE");
    options.add("model", model, "Hugging Face model folder, whose tokenizer the checks merge and too_long use", "FOLDER");
    options
        .add("reward_model", reward_model,
             "a folder that tilt reward has made of other pairs than these, by which label_noise doubts labels", "FOLDER")
        .also("reward_model_path");
    options.add("refusals", refusals, "phrases of refusals, one a line, in place of the built-in ones", "FILE");
    options.allow_config();
    options.group("Checks");
    options.choices(
        "disable", names, "", [this](const auto& given) { limits.disabled = given; }, "checks to leave out");
    options.choices(
        "drop", droppable, usual, [this](const auto& given) { drop = given; }, "checks whose rows --fix leaves out");
    options.add("strict", strict, "exit with status 1 if there are findings of severity error");
    options.add("examples", examples, "findings of each check that the report shows; --output has all");
    options.group("Thresholds");
    options.add("max_similarity", limits.clarity.max_similarity,
                "alike: share of common character trigrams from which two answers are alike");
    options.add("min_margin", limits.clarity.min_margin, "margin: the chosen answer's score must be higher by more than this");
    options.add("min_win_probability", limits.min_win_probability,
                "label_noise: probability that the reward model must give to the answer called better");
    options.add("max_repetition", limits.repetition.max_repetition,
                "repetition: share of an answer's four-word runs that it has had before");
    options.add("min_sentence_words", min_sentence_words, "truncated: words from which an answer must end its sentence");
    options.add("prompt_similarity", limits.prompts.similarity, "near_duplicate_prompt: Jaccard coefficient of the three-word runs");
    options.add("min_answer_words", min_answer_words, "repeated_answer: words from which an answer should stand under one prompt");
    options.add("max_length_bias", limits.max_length_bias,
                "length_bias: distance from 1/2 of the share of pairs whose chosen answer is longer");
    options.add("max_length", limits.max_length, "too_long: tokens of prompt and answer; 0: any");
    options.add("seed", limits.prompts.seed, "of MinHash");
    options.group("Machine, of --reward-model");
    add_compute(options, machine);
    options.add("max_tokens", max_tokens, "tokens computed at once; bounds memory, changes no result");
  }

  int run() {
    options.apply();
    options.require("data", "the file to check");
    check_settings();
    const example_file file = read_example_rows(data);
    std::vector<example> readable;
    std::vector<finding> unreadable;
    for (const example_row& row : file.rows) {
      if (row.read)
        readable.push_back(*row.read);
      else
        add_unreadable(file, row, unreadable);
    }
    std::optional<model_folder> folder;
    text_encoder encoder;
    if (!model.empty()) {
      encoder = folder.emplace(model).encoder();
      limits.encoder = &encoder;
    }
    if (!refusals.empty()) limits.refusals = read_phrases();
    if (!reward_model.empty()) {
      limits.rewards = preference_rewards(reward_model, readable, data, machine, max_tokens);
      if (std::all_of(limits.rewards.begin(), limits.rewards.end(), [](const auto& of_example) { return of_example.empty(); }))
        refuse("reward_model", std::string("no pair or ranking of ")
                                   .append(data)
                                   .append(" can be scored, as there is none or all are too long for the model; leave the option away"));
    }
    limits.min_sentence_words = static_cast<std::size_t>(min_sentence_words);
    limits.min_answer_words = static_cast<std::size_t>(min_answer_words);
    check_report report = check_data(readable, limits);
    for (finding& f : unreadable)
      if (!is_disabled(f.check)) report.findings.push_back(std::move(f));
    report.findings = in_order(std::move(report.findings));

    const check_result result(file, report);
    nlohmann::ordered_json json = result.json(data);
    std::string text = result.text(data, static_cast<std::size_t>(examples));
    std::optional<atomic_file> cleaned, listed;
    bool nothing_left = false;
    if (!fix.empty()) {
      const cleaned_rows left(file, result.dropped(drop));
      nothing_left = left.kept() == 0;
      if (!nothing_left) {
        cleaned.emplace(fix);
        cleaned->write(left.bytes());
        json["fix"] = left.json(fix);
        text.append("\n").append(left.text(fix));
      }
    }
    if (!output.empty()) {
      listed.emplace(output);
      listed->write(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).append("\n"));
    }
    if (cleaned) cleaned->commit();
    if (listed) listed->commit();
    result_writer standard("");
    standard.write(text);
    standard.finish();
    if (nothing_left)
      throw input_error(std::string("--fix: nothing of ").append(data).append(" is left, so no file is written; see what --drop names"));
    return strict && result.has_errors() ? 1 : 0;
  }

 private:
  bool is_disabled(std::string_view name) const {
    return std::find(limits.disabled.begin(), limits.disabled.end(), name) != limits.disabled.end();
  }
  [[noreturn]] void refuse(const char* name, const std::string& why) { throw input_error(option_of(name).append(": ").append(why)); }

  void check_settings() {
    const auto share = [&](const char* name, double value, double most = 1) {
      if (!(value >= 0 && value <= most))
        refuse(name, plain(value)
                         .append(" is not between 0 and ")
                         .append(plain(most))
                         .append("; give a share such as ")
                         .append(options[name].usual));
    };
    share("max_similarity", limits.clarity.max_similarity);
    share("max_repetition", limits.repetition.max_repetition);
    share("prompt_similarity", limits.prompts.similarity);
    share("max_length_bias", limits.max_length_bias, 0.5);
    share("min_win_probability", limits.min_win_probability, 0.5);
    if (limits.clarity.min_margin < 0) refuse("min_margin", plain(limits.clarity.min_margin).append(" is negative; give 0 or more"));
    const std::pair<const char*, index> counts[] = {{"examples", examples},
                                                    {"min_sentence_words", min_sentence_words},
                                                    {"min_answer_words", min_answer_words},
                                                    {"max_length", limits.max_length}};
    for (const auto& [name, value] : counts)
      if (value < 0) refuse(name, std::to_string(value).append(" is negative; give 0 or more"));
    if (model.empty()) options.refuse("max_length", "counts tokens, for which --model must name a tokenizer");
    if (max_tokens < 1) refuse("max_tokens", std::to_string(max_tokens).append(" cannot be used; give 1 or more"));
    for (const char* name : {"min_win_probability", "backend", "dtype", "threads", "max_tokens"})
      if (reward_model.empty()) options.refuse(name, "only --reward-model reads it, and there is none");
    if (is_disabled("label_noise")) options.refuse("reward_model", "the check that reads it is among --disable");
    if (fix.empty()) options.refuse("drop", "says what --fix leaves out, and there is no --fix");
    for (const std::string& name : drop) {
      if (!options.given("drop")) break;
      if (is_disabled(name)) refuse("drop", quoted(name).append(" is among --disable, so it finds nothing; leave it away"));
      if (model.empty() && (name == "merge" || name == "too_long"))
        refuse("drop", quoted(name).append(" finds nothing without --model; add it"));
      if (reward_model.empty() && name == "label_noise")
        refuse("drop", quoted(name).append(" finds nothing without --reward-model; add it"));
    }
    if (is_disabled("refusal")) options.refuse("refusals", "the check that reads them is among --disable");
    if (same_file(fix, data)) refuse("fix", fix + " is the data itself; give another place");
    if (same_file(output, data)) refuse("output", output + " is the data itself; give another place");
    if (same_file(fix, output)) refuse("fix", fix + " is the place of --output too; give another one");
    if (fix.ends_with(".gz")) refuse("fix", fix + " would not be packed; give a name without .gz");
  }

  /// What is wrong with a row that cannot be read; damaged characters are a matter of encoding as well.
  static void add_unreadable(const example_file& file, const example_row& row, std::vector<finding>& out) {
    finding f{"unreadable", row.line, row.fault.starts_with("the ") ? "" : "the row "};
    f.what += row.fault;
    const std::string_view bytes = file.bytes(row);
    if (detail::utf8_fault(bytes) != bytes.size()) {
      out.push_back({"encoding", row.line, "the row has bytes that are no UTF-8"});
    } else if (const std::size_t half = unpaired_surrogate(bytes); half != std::string_view::npos) {
      std::string what = "half of a surrogate pair stands alone: ";
      what += bytes.substr(half, 6);
      out.push_back({"encoding", row.line, std::move(what)});
    }
    out.push_back(std::move(f));
  }

  std::vector<std::string> read_phrases() const {
    std::vector<std::string> phrases;
    line_reader lines(refusals);
    for (std::string line; lines.next(line);) {
      if (detail::utf8_fault(line) != line.size()) throw input_error(lines.where() + ": is not valid UTF-8; convert the file to UTF-8");
      const std::string phrase = detail::plain_speech(line);
      if (!phrase.empty() && phrase[0] != '#') phrases.push_back(phrase);
    }
    if (phrases.empty()) throw input_error(refusals + ": has no phrases; write one a line");
    return phrases;
  }

  settings options;
  std::string data, output, fix, model, reward_model, refusals;
  std::vector<std::string> drop;
  bool strict = false;
  index examples = 3, min_sentence_words = 6, min_answer_words = 8, max_tokens = 4096;
  compute machine;
  check_options limits;
};

}  // namespace

void add_check(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("check", "Faults of preference data, each with its line; a cleaned file");
  app.footer(more);
  const auto command = std::make_shared<check_command>(app);
  app.callback([&chosen, command] { chosen = [command] { return command->run(); }; });
}

}  // namespace tilt::program
