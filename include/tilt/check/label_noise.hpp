// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <tilt/check/finding.hpp>
#include <tilt/check/rows.hpp>
#include <tilt/data/wilson_interval.hpp>
#include <tilt/scalar/sigmoid.hpp>

namespace tilt {

/// What a reward model says of preferences' labels, by Bradley and Terry's P(better ≻ worse) = σ(r_better − r_worse). A pair has one
/// preference, a ranking one for every two answers that are not tied.
struct label_noise {
  index preferences = 0;
  index not_scored = 0;  ///< pairs and rankings without scores
  index doubted = 0;     ///< preferences whose P is below the threshold
  interval agreed;       ///< share of preferences with P > 1/2; Wilson's interval at 95 %
  interval flipped;      ///< flipped_share
};

/// The share of flipped labels, as confident learning counts them (Northcutt, Jiang & Chuang 2021, JAIR 70, arXiv 1911.00068, §3.1), from
/// the probabilities P of the labels that were given. Which answer stands first is arbitrary, so both classes have the threshold t = mean P,
/// and a label counts as flipped if 1 − P ≥ t and 1 − P > P, as right if P ≥ t and P ≥ 1 − P, else not at all: flipped / (flipped + right).
/// A model that has a share e of what it counts wrong estimates ρ + (1 − 2ρ)·e for a true share ρ, as its errors and flipped labels look the
/// same. Wilson's interval at 95 %, of the counting alone. O(n). Throws `error` if there are none.
inline interval flipped_share(std::span<const double> probabilities) {
  if (probabilities.empty()) throw error("flipped_share: there are no preferences; give one at least");
  double sum = 0, most = 0;
  for (const double p : probabilities) sum += p, most = std::max(most, p);
  const double threshold = std::min(sum / static_cast<double>(probabilities.size()), most);  // rounding must not lift it above all
  double flipped = 0, counted = 0;
  for (const double p : probabilities) {
    if (std::max(p, 1 - p) < threshold) continue;
    ++counted, flipped += 1 - p > p;
  }
  return wilson_interval(flipped, counted);
}

/// label_noise: pairs and rankings of which the model gives a preference a probability below `min_probability`; of a ranking's, the least
/// probable is told. rewards[i] are the scores of the answers of examples[i], the best first, or empty where there are none. Model and
/// data must not know each other: a model that was trained on a wrong label finds it right. Throws `error` if the scores do not fit.
inline label_noise check_labels(std::span<const example> examples, std::span<const checked_row> rows,
                                std::span<const std::vector<double>> rewards, double min_probability, std::vector<finding>& out) {
  if (rewards.size() != examples.size()) throw error("check_labels: there must be a list of scores for every example, empty or not");
  label_noise noise;
  std::vector<double> probabilities;
  double agreed = 0;
  for (const checked_row& row : rows) {
    if (!row.is_preference()) continue;
    const std::vector<double>& scores = rewards[static_cast<std::size_t>(row.source - examples.data())];
    noise.not_scored += scores.empty();
    if (scores.empty()) continue;
    if (scores.size() != row.answers.size()) throw error("check_labels: there must be a score for every answer");
    double least = 1;
    std::size_t better = 0, worse = 0;
    for (std::size_t a = 0; a < scores.size(); ++a)
      for (std::size_t b = a + 1; b < scores.size(); ++b) {
        const std::vector<double>& given = row.source->scores;
        if (row.source->kind == example_kind::ranked && !given.empty() && given[a] == given[b]) continue;
        const double p = sigmoid(scores[a] - scores[b]);
        probabilities.push_back(p);
        agreed += p > 0.5, noise.doubted += p < min_probability;
        if (p < least) least = p, better = a, worse = b;
      }
    if (!(least < min_probability)) continue;
    std::string what = "the reward model gives ";
    what += row.answers[better].name;
    what += " over ";
    what += row.answers[worse].name;
    what += " a probability of ";
    what += detail::rounded_text(least);
    out.push_back({"label_noise", row.line(), std::move(what)});
  }
  noise.preferences = static_cast<index>(probabilities.size());
  if (probabilities.empty()) return noise;
  noise.agreed = wilson_interval(agreed, static_cast<double>(probabilities.size()));
  noise.flipped = flipped_share(probabilities);
  return noise;
}

}  // namespace tilt
