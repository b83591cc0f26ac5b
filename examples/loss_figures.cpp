// SPDX-License-Identifier: Apache-2.0
// What a loss does with a margin, as numbers and as pictures: for every loss of the library its value, and the weight with which it pulls the
// chosen response up, −∂loss/∂log π(y⁺|x), over β. Without an argument it prints a few points of each; with a folder it has gnuplot draw
// <folder>/<name>.svg. (docs/figures/losses is `loss_figures docs/figures/losses`.)
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <tilt/loss/losses.hpp>
#include <vector>

namespace {

struct point {
  double x, value, weight;
};
struct figure {
  std::string name, formula, axis;
  std::vector<point> points;
};
using tilt::index;

// Two responses of ten tokens, of which the reference says −60 each; the policy moves Δ/2 up with one and Δ/2 down with the other.
constexpr double level = -60;
constexpr int tokens = 10;

template <tilt::pair_loss L> point at(const L& loss, double x) {
  const double chosen = level + x / 2, rejected = level - x / 2, score[] = {1, 0}, certain = 1;
  double weight = 0;
  const auto one = [](const double& v) { return tilt::host_range<const double>(&v, 1); };
  const int length[] = {tokens};
  tilt::pair_batch<double> batch{.policy_chosen = one(chosen),
                                 .policy_rejected = one(rejected),
                                 .reference_chosen = one(level),
                                 .reference_rejected = one(level),
                                 .length_chosen = length,
                                 .length_rejected = length};
  if (uses_scores(loss)) batch.score_chosen = one(score[0]), batch.score_rejected = one(score[1]);
  if (uses_win_probability(loss)) batch.win_probability = one(certain);
  const double value = tilt::evaluate(loss, batch, {.gradient_chosen = {&weight, 1}}).loss;
  return {x, value, 0 - weight};
}
template <tilt::labelled_loss L> point at(const L& loss, double x) {
  const tilt::dual<double, 1> d =
      tilt::differentiate(loss, tilt::labelled_logps<double>{{level + x, level, tokens}, true}, tilt::statistic_of<L>{}.value());
  return {x, d.value, -d.slope[0]};
}
// Three responses: the best moves, the others stay at log-ratios of 5 and −5.
template <tilt::list_loss L> point at(const L& loss, double x) {
  const tilt::response_logps<double> y[] = {{level + x, level, tokens, 1}, {level + 5, level, tokens, 0.5}, {level - 5, level, tokens, 0}};
  double slopes[3];
  const double value = differentiate(loss, tilt::ranked_logps<double>{y, 3}, slopes);
  return {x, value, -slopes[0]};
}

template <class L> figure figure_of(const L& loss) {
  figure f{std::string(L::name),
           std::string(L::formula),
           tilt::pair_loss<L>   ? "margin Δ"
           : tilt::list_loss<L> ? "log-ratio u of the best"
                                : "log-ratio u, desirable",
           {}};
  double scale = 1;
  if constexpr (requires { loss.beta; }) scale = loss.beta;
  for (int i = -60; i <= 60; i += 2) {
    point p = at(loss, i);
    p.weight /= scale;
    f.points.push_back(p);
  }
  return f;
}

void draw(const figure& f, const std::filesystem::path& folder) {
  const std::filesystem::path data = folder / (f.name + ".dat"), script = folder / (f.name + ".gp");
  std::ofstream numbers(data);
  for (const point& p : f.points) numbers << p.x << ' ' << p.value << ' ' << p.weight << '\n';
  numbers.close();
  std::ofstream(script) << "set terminal svg size 480,260 font 'sans,11' background 'white'\n"
                        << "set output '" << (folder / (f.name + ".svg")).string() << "'\n"
                        << "set title \"" << f.name << ":  " << f.formula << "\" noenhanced\n"
                        << "set xlabel '" << f.axis
                        << "'\nset ylabel 'loss'\nset y2label 'pull on y⁺, over β'\nset ytics nomirror\nset y2tics\nset xtics 30\n"
                        << "set key below\nplot '" << data.string()
                        << "' using 1:2 with lines lw 2 lc rgb '#1b6ca8' title 'loss', '' using 1:3 axes x1y2 with lines lw 2 dt 2 lc rgb "
                        << "'#c8553d' title 'pull'\n";
  if (std::system(("gnuplot " + script.string()).c_str()) != 0) throw std::runtime_error("gnuplot did not draw " + f.name);
  std::filesystem::remove(data);
  std::filesystem::remove(script);
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<figure> figures;
  std::apply([&](const auto&... loss) { (figures.push_back(figure_of(loss)), ...); },
             std::tuple_cat(tilt::pair_losses{}, tilt::labelled_losses{}, tilt::list_losses{}));
  if (argc > 1) std::filesystem::create_directories(argv[1]);
  for (const figure& f : figures) {
    if (argc > 1)
      draw(f, argv[1]);
    else
      for (const std::size_t i : {std::size_t{0}, std::size_t{25}, std::size_t{30}, std::size_t{35}, std::size_t{60}})
        std::printf("%-24s %s %4g  loss %12.6g  pull %10.4g\n", f.name.c_str(), f.axis[0] == 'm' ? "Δ" : "u", f.points[i].x,
                    f.points[i].value, f.points[i].weight);
  }
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
