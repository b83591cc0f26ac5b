// SPDX-License-Identifier: Apache-2.0
#pragma once
// The vocabulary head in chunks, with logits that are kept and logits that are not, forward and backward.
#include <conformance/composites.hpp>
#include <tilt/model/head.hpp>

namespace tilt::test {

/// Rows with no, one or several targets, which own them out of order.
template <class T> struct head_case {
  index rows, vocabulary, width, kept_columns, piece_columns;
  std::vector<std::int32_t> begin{0}, item, label;
  random_matrix<T> hidden, embedding, d_hidden, d_embedding;
  std::vector<T> d_logps, d_entropies;
  bool squares;  ///< whether log Σ π² is wanted
  bool spread;   ///< whether anything depends on the entropies

  head_case(index r, index v, index d, index kept, index piece, std::mt19937_64& random)
      : rows(r), vocabulary(v), width(d), kept_columns(kept), piece_columns(piece), hidden(r, d, any_rows(random), random),
        embedding(v, d, layout::rows, random), d_hidden(r, d, any_rows(random), random), d_embedding(v, d, layout::rows, random) {
    for (index row = 0; row < rows; ++row) {
      for (std::size_t targets = random() % 4; targets > 0; --targets) item.push_back(static_cast<std::int32_t>(item.size()));
      begin.push_back(static_cast<std::int32_t>(item.size()));
    }
    std::shuffle(item.begin(), item.end(), random);
    label.resize(item.size());
    for (index row = 0; row < rows; ++row)
      for (std::int32_t t = begin[static_cast<std::size_t>(row)]; t < begin[static_cast<std::size_t>(row) + 1]; ++t)
        label[static_cast<std::size_t>(t)] = label_for(row, random);
    d_logps = random_vector<T>(static_cast<index>(item.size()), random);
    d_entropies = random_vector<T>(static_cast<index>(item.size()), random);
    squares = random() % 2;
    spread = random() % 2;
  }
  std::string text() const {
    std::ostringstream out;
    out << rows << " rows of " << width << ", " << vocabulary << " tokens, " << item.size() << " targets, " << kept_columns
        << " kept, pieces of " << piece_columns;
    return out.str();
  }

 private:
  // Half of the labels have the largest logit, where rounding cannot make another the largest; the others clearly have not.
  std::int32_t label_for(index row, std::mt19937_64& random) const {
    std::vector<std::pair<double, std::int32_t>> logits;
    for (index v = 0; v < vocabulary; ++v) {
      double z = 0;
      for (index i = 0; i < width; ++i) z += static_cast<double>(hidden.view()(row, i)) * static_cast<double>(embedding.view()(v, i));
      logits.emplace_back(z, static_cast<std::int32_t>(v));
    }
    std::sort(logits.rbegin(), logits.rend());
    const bool clear = vocabulary == 1 || logits[0].first - logits[1].first > 0.01;
    if (clear && random() % 2) return logits[0].second;
    std::size_t rank = logits.size() - 1;
    if (vocabulary > 1) rank -= random() % ((logits.size() + 1) / 2);
    return logits[rank].second;
  }
};

template <class B, class T> results run_head(B& backend, const head_case<T>& c) {
  using S = typename B::scalar;
  auto begin = own(backend, c.begin), item = own(backend, c.item), label = own(backend, c.label);
  auto hidden = place(backend, c.hidden.memory), embedding = place(backend, c.embedding.memory);
  auto d_hidden = place(backend, c.d_hidden.memory), d_embedding = place(backend, c.d_embedding.memory),
       d_logps = place(backend, c.d_logps), d_entropies = place(backend, c.d_entropies);
  const std::size_t targets = c.item.size();
  auto out = own(backend, std::vector<S>(5 * targets, S(-1))),
       normalizer = own(backend, std::vector<S>(static_cast<std::size_t>(c.rows), S(-1)));
  const auto memory_of = [&](index n) { return own(backend, std::vector<S>(static_cast<std::size_t>(n), std::numeric_limits<S>::quiet_NaN())); };
  auto kept = memory_of(c.rows * c.kept_columns), chunk = memory_of(c.rows * c.piece_columns);
  auto sums = memory_of(detail::tile_sums<S>::size(c.rows, c.vocabulary)), scratch = memory_of(detail::head_scratch(c.vocabulary) * backend.teams());
  const index step = static_cast<index>(targets);
  const detail::head_arguments<S> a{c.hidden.template in<const S>(hidden.data()),
                                    c.embedding.template in<const S>(embedding.data()),
                                    {begin.data(), item.data(), label.data()},
                                    normalizer.data(),
                                    {kept.data(),
                                     chunk.data(),
                                     c.kept_columns,
                                     c.piece_columns,
                                     {sums.data(), detail::head_tiles(c.vocabulary)},
                                     {scratch.data(), detail::head_scratch(c.vocabulary)}}};
  S* const logps = out.data();
  detail::head_forward(
      backend, a, detail::head_outputs<S>{logps, logps + step, logps + 2 * step, logps + 3 * step, c.squares ? logps + 4 * step : nullptr});
  detail::head_backward(backend, a, detail::head_slopes<S>{d_logps.data(), c.spread ? d_entropies.data() : nullptr, logps + step},
                        c.d_hidden.template in<S>(d_hidden.data()), c.d_embedding.template in<S>(d_embedding.data()));
  const std::vector<double> all = widened(out);
  const auto part = [&](index i) { return std::vector<double>(all.begin() + i * step, all.begin() + (i + 1) * step); };
  return {{"logps", part(0)},
          {"entropies", part(1)},
          {"mean_logits", part(2)},
          {"top1", part(3)},
          {"log_squares", part(4)},
          {"normalizer", widened(normalizer)},
          {"d_hidden", widened(d_hidden)},
          {"d_embedding", widened(d_embedding)}};
}

template <class T, class Run> void for_each_head_case(const Run& run) {
  std::mt19937_64 random(12);
  struct extents {
    index rows, v, d, kept, piece;
  };
  constexpr index tile = detail::head_tile;
  for (const extents& e : {extents{0, 7, 3, 0, 7},
                           {1, 1, 1, 0, 1},
                           {1, 2, 5, 2, 2},
                           {7, 61, 20, 61, 61},
                           {13, tile, 33, 0, tile},
                           {29, tile + 1, 16, tile, tile},
                           {10, 3 * tile + 130, 9, tile, 2 * tile},
                           {5, 2 * tile + 7, 6, 2 * tile, tile},
                           {3, 2 * tile, 4, 0, 2 * tile}})
    run(head_case<T>(e.rows, e.v, e.d, e.kept, e.piece, random));
  for (int i = 0; i < 10; ++i) {
    const index rows = static_cast<index>(random() % 40), v = 1 + static_cast<index>(random() % 150);
    run(head_case<T>(rows, v, 1 + static_cast<index>(random() % 40), v * static_cast<index>(random() % 2), v, random));
  }
}

/// A logit is a sum over the width, a normaliser one over the vocabulary, a row of the embedding's gradient one over rows.
template <class T> long double head_bound(const head_case<T>& c) {
  return tolerance<T>::sum(static_cast<std::size_t>(std::max({c.rows, c.vocabulary, c.width})));
}

}  // namespace tilt::test

TEST_CASE(TILT_TESTED_AS "the vocabulary head, forward and backward, equals the reference backend's") {
  using namespace tilt::test;
  using T = tested_backend::scalar;
  worst_element worst;
  for_each_head_case<T>([&](const head_case<T>& c) {
    check_composite<tested_backend>([&](auto& backend) { return run_head(backend, c); }, head_bound(c), c.text(), worst);
  });
  worst.report("vocabulary head");
}
