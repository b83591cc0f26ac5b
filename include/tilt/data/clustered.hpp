// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <tilt/data/wilson_interval.hpp>
#include <vector>

namespace tilt {

/// A mean and its standard error.
struct mean_estimate {
  double value = 0, standard_error = 0;
};

/// Mean x̄ of N values in G clusters that are independent of one another, as a prompt's samples are one cluster, with the cluster-robust
/// standard error √(G/(G−1)·Σ_g(Σ_i(x_gi − x̄))²)/N (Liang & Zeger 1986, Biometrika 73, 13–22; of evaluations: Miller 2024,
/// arXiv:2411.00640, section 2.2). With one value a cluster it is the usual s/√N. NaN where there is one cluster. O(N). Throws `error` where
/// there is no value.
inline mean_estimate clustered_mean(std::span<const std::vector<double>> clusters) {
  double sum = 0, n = 0, g = 0, squares = 0;
  for (const std::vector<double>& cluster : clusters) {
    for (const double x : cluster) sum += x;
    n += static_cast<double>(cluster.size());
    g += cluster.empty() ? 0 : 1;
  }
  if (!(n > 0)) throw error("clustered_mean: there are no values");
  const double mean = sum / n;
  for (const std::vector<double>& cluster : clusters) {
    double off = 0;
    for (const double x : cluster) off += x - mean;
    squares += off * off;
  }
  return {mean, g > 1 ? std::sqrt(g / (g - 1) * squares) / n : std::numeric_limits<double>::quiet_NaN()};
}

/// 95 % interval of a share, of outcomes in [0, 1] in clusters. With one outcome a cluster it is Wilson's. Otherwise it is Wilson's at the
/// effective number of outcomes p(1−p)/se², se that of clustered_mean, N at most (Korn & Graubard 1998, Survey Methodology 24, 193–201;
/// Franco et al. 2019, J. Surv. Stat. Methodol. 7, 334–364); where no cluster differs from another, at the number of clusters. O(N).
inline interval clustered_share(std::span<const std::vector<double>> clusters, double z = normal_quantile_95) {
  const mean_estimate m = clustered_mean(clusters);
  double n = 0, g = 0;
  for (const std::vector<double>& cluster : clusters) {
    n += static_cast<double>(cluster.size());
    g += cluster.empty() ? 0 : 1;
  }
  const double variance = m.standard_error * m.standard_error;
  const double effective = n == g ? n : variance > 0 ? std::clamp(m.value * (1 - m.value) / variance, 1.0, n) : g;
  return wilson_interval(std::clamp(m.value, 0.0, 1.0) * effective, effective, z);
}

}  // namespace tilt
