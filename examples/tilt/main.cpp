// SPDX-License-Identifier: Apache-2.0
// tilt: preference optimisation of language models from the command line.
#include <CLI/CLI.hpp>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <csignal>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <tilt/error.hpp>
#include <vector>

#include "commands.hpp"
#include "help.hpp"
#include "interruption.hpp"
#include "nearest.hpp"
#include "settings.hpp"

namespace {

using namespace tilt::program;

constexpr const char* description =
    "tilt: preference optimisation of language models (DPO, IPO, KTO, SFT, reward models, PPO) on Hugging Face model folders.\n"
    "\n"
    "  tilt dpo --model MODEL --train pairs.jsonl --eval held_out.jsonl --output MODEL-dpo\n"
    "  tilt generate --model MODEL-dpo --prompt \"Once upon a time\"";

constexpr const char* footer =
    "\n"
    "tilt SUBCOMMAND --help tells a subcommand's options. Options have TRL's names; a TRL configuration is read by --config.\n"
    "Exit status: 0 done, 1 failed on the way, 2 what was given cannot be used, 130 interrupted. Progress and messages go to standard "
    "error.";

/// One line, whatever a library's message holds.
int complain(std::string sentence, int status) {
  for (char& c : sentence)
    if (c == '\n' || c == '\r') c = ' ';
  std::fprintf(stderr, "tilt: %s\n", sentence.c_str());
  return status;
}

/// CLI11's complaint in our words.
std::string sentence_of(const CLI::ParseError& e, const CLI::App& program) {
  std::string text = e.what();
  const std::string name = text.substr(0, text.find(": "));
  if (text.find("At Most") != std::string::npos)
    text = name + ": is given more than once; give it once";
  else if (text.find("required") != std::string::npos && text.find("missing") != std::string::npos)
    text = name + ": needs a value behind it";
  for (const CLI::App* command : program.get_subcommands()) return text + "; see tilt " + command->get_name() + " --help";
  return text + "; see tilt --help";
}

std::string unknown_command(const CLI::App& program, const std::string& given) {
  std::vector<std::string> names;
  for (const CLI::App* command : program.get_subcommands({})) names.push_back(command->get_name());
  if (given.starts_with("-")) return given + ": options of a subcommand stand behind its name; see tilt --help";
  return "\"" + given + "\" is no subcommand; " + did_you_mean(given, names, "see tilt --help");
}

int run(int argc, char** argv) {
  CLI::App program(description, "tilt");
  program.footer(footer);
  program.formatter(std::make_shared<help_format>());
  program.set_help_flag("-h,--help", "this text");
  program.set_version_flag("--version", version_text, "what was compiled in");
  program.require_subcommand(0, 1);
  program.allow_extras();

  action chosen;
  add_demo(program, chosen);
  add_sft(program, chosen);
  add_dpo(program, chosen);
  add_kto(program, chosen);
  add_reward(program, chosen);
  add_policy_gradients(program, chosen);
  add_check(program, chosen);
  add_generate(program, chosen);
  add_prefer(program, chosen);
  add_iterate(program, chosen);
  add_compare(program, chosen);
  add_score(program, chosen);
  add_tokenize(program, chosen);
  add_losses(program, chosen);
  add_sweep(program, chosen);
  add_claims(program, chosen);
  add_backends(program, chosen);

  std::vector<std::string> arguments = normalised({argv + 1, argv + argc});
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    program.parse(reversed);
  } catch (const CLI::Success& e) { return program.exit(e); } catch (const CLI::ParseError& e) {
    return complain(sentence_of(e, program), 2);
  }
  for (const CLI::App* command : program.get_subcommands())
    if (const auto rest = command->remaining(); !rest.empty()) return complain(unknown_argument(*command, rest[0]), 2);
  if (const auto rest = program.remaining(); !rest.empty()) return complain(unknown_command(program, rest[0]), 2);
  if (!chosen) {
    std::fputs(program.help().c_str(), stderr);
    return 2;
  }
  return chosen();
}

}  // namespace

int main(int argc, char** argv) {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 1 << 18);  // else the largest block freed so far sets it, and an arena that is gone stays resident
#endif
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on files is an error of the call that meets it, like a full disk
  try {
    const int status = run(argc, argv);
    if (std::fflush(stdout) != 0) return complain("standard output: cannot be written (is the disk full?); make room, or give --output", 2);
    return status;
  } catch (const interrupted&) {
    return complain("interrupted; the same command may be given again", 130);
  } catch (const tilt::input_error& e) { return complain(e.what(), 2); } catch (const std::bad_alloc&) {
    return complain("there is not enough memory; lower --max-tokens or --batch-size, or take a smaller model", 1);
  } catch (const std::exception& e) { return complain(e.what(), 1); }
}
