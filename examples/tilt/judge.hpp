// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tilt/error.hpp>
#include <vector>

#include "interruption.hpp"

namespace tilt::program {

/// A prompt and the answers that a judge is to compare.
struct judged_prompt {
  nlohmann::json prompt;
  std::vector<std::string> responses;
};

/// Scores by another program, which a shell runs: it reads a line {"id", "prompt", "responses"} for each prompt on its standard input and writes
/// a line {"id", "scores": [a number a response]} or {"id", "choice": number of the best response, from 0} for each on its standard output, in
/// any order. A choice counts 1, the others 0. Throws input_error on a judge that ends badly, leaves prompts out, or writes anything else.
inline std::vector<std::vector<double>> judge(const std::string& command, const std::vector<judged_prompt>& prompts) {
  const auto refuse = [&](const std::string& what, const char* remedy) { throw input_error("--judge: " + what + "; " + remedy); };
  constexpr const char* form = "write {\"id\": …, \"scores\": [a number for each response]} or {\"id\": …, \"choice\": …} for each prompt";
  // Files rather than pipes: neither side waits for the other, whichever reads or writes first.
  struct close_file {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  const std::unique_ptr<std::FILE, close_file> questions(std::tmpfile()), answers(std::tmpfile());
  if (!questions || !answers)
    refuse("there is no room for temporary files (" + std::string(std::strerror(errno)) + ")", "free space in the folder for them");
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    const nlohmann::ordered_json line{{"id", p}, {"prompt", prompts[p].prompt}, {"responses", prompts[p].responses}};
    const std::string text = line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    if (std::fwrite(text.data(), 1, text.size(), questions.get()) != text.size())
      refuse("its input cannot be written", "free space for temporary files");
  }
  if (std::fflush(questions.get()) != 0) refuse("its input cannot be written", "free space for temporary files");
  std::rewind(questions.get());
  const pid_t child = ::fork();
  if (child < 0) refuse("cannot be started (" + std::string(std::strerror(errno)) + ")", "end other programs");
  if (child == 0) {
    if (::dup2(fileno(questions.get()), 0) < 0 || ::dup2(fileno(answers.get()), 1) < 0) ::_exit(126);
    ::execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) refuse("is lost (" + std::string(std::strerror(errno)) + ")", "run it again");
  interruption::heed();  // a signal from the keyboard is the judge's too, which is then not to blame
  if (WIFSIGNALED(status)) refuse("was killed by signal " + std::to_string(WTERMSIG(status)), "see what it says on standard error");
  if (WEXITSTATUS(status) == 127) refuse("its command is not found", "give one that a shell can run");
  if (WEXITSTATUS(status) != 0) refuse("ended with status " + std::to_string(WEXITSTATUS(status)), "see what it says on standard error");

  std::string text;
  std::rewind(answers.get());
  char buffer[1 << 14];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, answers.get())) > 0;) text.append(buffer, n);
  std::vector<std::vector<double>> scores(prompts.size());
  std::size_t line = 0, answered = 0;
  for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    ++line;
    const std::string one = text.substr(begin, end - begin), where = "line " + std::to_string(line) + " of its answers ";
    if (one.find_first_not_of(" \t\r") == std::string::npos) continue;
    const nlohmann::json value = nlohmann::json::parse(one, nullptr, false);
    if (!value.is_object() || !value.contains("id") || !value["id"].is_number_unsigned())
      refuse(where + "is no JSON object with an id", form);
    const auto id = value["id"].get<std::size_t>();
    if (id >= prompts.size()) refuse(where + "has the id " + std::to_string(id) + ", which no prompt has", form);
    const std::size_t wanted = prompts[id].responses.size();
    if (!scores[id].empty()) refuse(where + "answers the id " + std::to_string(id) + " again", "answer each prompt once");
    if (value.contains("scores") && value["scores"].is_array()) {
      for (const nlohmann::json& s : value["scores"])
        if (s.is_number() && std::isfinite(s.get<double>())) scores[id].push_back(s.get<double>());
      if (scores[id].size() != wanted || value["scores"].size() != wanted)
        refuse(where + "has not " + std::to_string(wanted) + " numbers as scores", form);
    } else if (value.contains("choice") && value["choice"].is_number_unsigned() && value["choice"].get<std::size_t>() < wanted) {
      scores[id].assign(wanted, 0.0);
      scores[id][value["choice"].get<std::size_t>()] = 1;
    } else {
      refuse(where + "has neither scores nor the number of a response as choice", form);
    }
    ++answered;
  }
  if (answered < prompts.size())
    refuse("answered " + std::to_string(answered) + " of " + std::to_string(prompts.size()) + " prompts", form);
  return scores;
}

}  // namespace tilt::program
