// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/ranges.hpp>
#include <type_traits>

namespace tilt {

/// Logits of a language model and the texts that they belong to, all row-major. As in transformers and TRL the labels are the texts
/// themselves, not shifted: logits[b, t] predict labels[b, t + 1]. A token counts if its label is not `ignore_index` and its mask, where
/// there is one, is not 0; each row has its own mask, and a token id of 0 is a token like any other.
template <class T> struct logits_batch {
  host_range<const T> logits = {};  ///< [batch, length, vocabulary]
  integer_range labels = {};        ///< [batch, length]
  integer_range mask = {};          ///< [batch, length], may be left away
  index batch = 0, length = 0, vocabulary = 0;
  index ignore_index = -100;
};

namespace detail {

template <class T> using wide = std::conditional_t<std::is_same_v<T, float>, double, T>;

/// log Σ_v exp(z_v).
template <class T> wide<T> log_sum_exp(const T* z, index n) {
  using std::exp, std::log;
  T largest = z[0];
  for (index v = 1; v < n; ++v) largest = largest < z[v] ? z[v] : largest;
  wide<T> sum = 0;
  for (index v = 0; v < n; ++v) sum += static_cast<wide<T>>(exp(z[v] - largest));
  return static_cast<wide<T>>(largest) + log(sum);
}

template <class T> void check_logits(const logits_batch<T>& b) {
  if (b.batch < 0 || b.length < 0 || b.vocabulary < 1)
    throw input_error({"logits: batch, length and vocabulary cannot be ", number_text(b.batch), ", ", number_text(b.length), ", ",
                       number_text(b.vocabulary), "; give the extents of the logits"});
  require_size(b.logits, b.batch * b.length * b.vocabulary, "logits", true);
  require_size(b.labels, b.batch * b.length, "labels", true);
  require_size(b.mask, b.batch * b.length, "mask");
}

/// The label that logits[row, t] predict, or -1 if that token does not count.
template <class T> index label_of(const logits_batch<T>& b, index row, index t) {
  const index next = row * b.length + t + 1, label = b.labels[next];
  if (label == b.ignore_index || (b.mask.given() && b.mask[next] == 0)) return -1;
  if (label < 0 || label >= b.vocabulary)
    throw input_error({"labels: row ", number_text(row), ", position ", number_text(t + 1), " has ", number_text(label),
                       ", which a vocabulary of ", number_text(b.vocabulary), " does not; mask it or correct it"});
  return label;
}

/// d_logits[row, t, v] = c(row, t)·(1[v is the label] − softmax_v).
template <class T, class Coefficient>
void logits_gradient_of(const logits_batch<T>& b, const host_range<T>& d_logits, const Coefficient& coefficient) {
  using std::exp;
  check_logits(b);
  require_size(d_logits, b.logits.size(), "d_logits", true);
  for (index row = 0; row < b.batch; ++row)
    for (index t = 0; t < b.length; ++t) {
      const T* const z = b.logits.data() + (row * b.length + t) * b.vocabulary;
      T* const d = d_logits.data() + (row * b.length + t) * b.vocabulary;
      const index label = t + 1 < b.length ? label_of(b, row, t) : -1;
      const T c = label < 0 ? T(0) : coefficient(row, t);
      if (c == 0) {
        for (index v = 0; v < b.vocabulary; ++v) d[v] = 0;
        continue;
      }
      const T level = static_cast<T>(log_sum_exp(z, b.vocabulary));
      for (index v = 0; v < b.vocabulary; ++v) d[v] = -c * exp(z[v] - level);
      d[label] += c;
    }
}

}  // namespace detail

/// logps[b, t] = log softmax(logits[b, t])[labels[b, t + 1]], 0 for tokens that do not count; [batch, length − 1]. One row of logits at a
/// time, nothing of the size of the logits is made. O(batch·length·vocabulary).
template <class T> void token_logps(const logits_batch<T>& b, const std::type_identity_t<host_range<T>>& logps) {
  detail::check_logits(b);
  const index width = b.length > 0 ? b.length - 1 : 0;
  detail::require_size(logps, b.batch * width, "logps", true);
  for (index row = 0; row < b.batch; ++row)
    for (index t = 0; t < width; ++t) {
      const T* const z = b.logits.data() + (row * b.length + t) * b.vocabulary;
      const index label = detail::label_of(b, row, t);
      logps[row * width + t] =
          label < 0 ? T(0) : static_cast<T>(static_cast<detail::wide<T>>(z[label]) - detail::log_sum_exp(z, b.vocabulary));
    }
}

/// logps[b] = Σ_t of the above, what a pair loss takes; lengths[b], if given, the number of tokens that count. [batch] each.
template <class T>
void sequence_logps(const logits_batch<T>& b, const std::type_identity_t<host_range<T>>& logps, const host_range<index>& lengths = {}) {
  detail::check_logits(b);
  detail::require_size(logps, b.batch, "logps", true);
  detail::require_size(lengths, b.batch, "lengths");
  for (index row = 0; row < b.batch; ++row) {
    detail::wide<T> sum = 0;
    index count = 0;
    for (index t = 0; t + 1 < b.length; ++t) {
      const T* const z = b.logits.data() + (row * b.length + t) * b.vocabulary;
      const index label = detail::label_of(b, row, t);
      if (label < 0) continue;
      sum += static_cast<detail::wide<T>>(z[label]) - detail::log_sum_exp(z, b.vocabulary);
      ++count;
    }
    logps[row] = static_cast<T>(sum);
    if (lengths.given()) lengths[row] = count;
  }
}

/// The gradient with respect to the logits, [batch, length, vocabulary], of a loss whose derivative with respect to the log-probability
/// of row b is d_logps[b] (what evaluate() gives). d_logits may be the logits' own memory.
template <class T>
void sequence_logits_gradient(const logits_batch<T>& b, const std::type_identity_t<host_range<const T>>& d_logps,
                              const std::type_identity_t<host_range<T>>& d_logits) {
  detail::require_size(d_logps, b.batch, "d_logps", true);
  detail::logits_gradient_of(b, d_logits, [&](index row, index) { return d_logps[row]; });
}

/// The same from a derivative for every token, [batch, length − 1] as token_logps gives them.
template <class T>
void token_logits_gradient(const logits_batch<T>& b, const std::type_identity_t<host_range<const T>>& d_logps,
                           const std::type_identity_t<host_range<T>>& d_logits) {
  const index width = b.length > 0 ? b.length - 1 : 0;
  detail::require_size(d_logps, b.batch * width, "d_logps", true);
  detail::logits_gradient_of(b, d_logits, [&](index row, index t) { return d_logps[row * width + t]; });
}

}  // namespace tilt
