// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "progress.hpp"

namespace tilt::program {

struct plot_point {
  double x = 0, y = 0, x_error = 0, y_error = 0;
  std::string label = {};
};
struct plot_series {
  std::string name, colour;
  std::vector<plot_point> points = {};
  bool line = false;                 ///< joined by a line, without marks
  bool hollow = false;               ///< marks are rings, and nothing joins them
  double label_x = 7, label_y = 14;  ///< where the points' labels stand if there is room, from the point
};
struct plot {
  std::string title, x_label, y_label;
  std::vector<plot_series> series;
};

/// A plot as SVG text: axes with round ticks, lines, points with error bars and labels, and under it a legend in as many columns as its
/// names leave room for. A label that would stand on a mark, another label or beyond the axes goes to another side of its point if that is
/// better. Needs no other program.
class svg_plot {
 public:
  explicit svg_plot(const plot& p) {
    for (const plot_series& s : p.series)
      for (const plot_point& q : s.points) {
        x_.take(q.x - q.x_error), x_.take(q.x + q.x_error);
        y_.take(q.y - q.y_error), y_.take(q.y + q.y_error);
      }
    x_.settle();
    y_.settle();
    std::size_t longest = 0;
    for (const plot_series& s : p.series) longest = std::max(longest, columns(s.name));
    const double column = legend_mark + letter * static_cast<double>(longest) + legend_gap;
    const auto across = static_cast<std::size_t>(std::max(1.0, (width - left - right + legend_gap) / column));
    const std::size_t rows = (p.series.size() + across - 1) / across;
    const int whole = height + static_cast<int>(rows) * legend_row + legend_margin;
    add("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"13\">\n", width, whole);
    add("<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", width, whole);
    draw_axes(p);
    for (const plot_series& s : p.series) draw(s);
    for (const plot_series& s : p.series)
      for (const plot_point& q : s.points)
        if (!s.line) taken_.push_back({at_x(q.x) - 5, at_y(q.y) - 5, at_x(q.x) + 5, at_y(q.y) + 5});
    for (const plot_series& s : p.series)
      for (const plot_point& q : s.points)
        if (!s.line && !q.label.empty()) label(s, q);
    for (std::size_t i = 0; i < p.series.size(); ++i)
      draw_legend(p.series[i], left + legend_mark / 2.0 + column * static_cast<double>(i / rows),
                  height + legend_row * (static_cast<double>(i % rows) + 0.5));
    text_ += "</svg>\n";
  }
  const std::string& text() const { return text_; }

 private:
  static constexpr int width = 760, height = 480, left = 64, right = 24, top = 44, bottom = 56;
  static constexpr int legend_row = 18, legend_mark = 26, legend_gap = 18, legend_margin = 10;
  static constexpr double letter = 7.4, small_letter = 6.4;  // widths, of most fonts at most

  struct axis {
    double low = 1e300, high = -1e300, tick = 1;
    void take(double v) { low = std::min(low, v), high = std::max(high, v); }
    /// Widens to whole ticks of 1, 2 or 5 times a power of ten, some six of them.
    void settle() {
      if (!(high > low)) high = low + 1;
      const double rough = (high - low) / 6, power = std::pow(10, std::floor(std::log10(rough)));
      tick = power * (rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10);
      low = tick * std::floor(low / tick + 1e-9);
      high = tick * std::ceil(high / tick - 1e-9);
    }
    double share(double v) const { return (v - low) / (high - low); }
  };
  double at_x(double v) const { return left + (width - left - right) * x_.share(v); }
  double at_y(double v) const { return height - bottom - (height - top - bottom) * y_.share(v); }

  template <class... A> void add(const char* format, A... a) {
    char line[512];
    std::snprintf(line, sizeof line, format, a...);
    text_ += line;
  }
  void write(double x, double y, const char* style, const std::string& words) {
    add("<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>\n", x, y, style, words.c_str());
  }
  void stroke(double x1, double y1, double x2, double y2, const char* colour, double thick) {
    add("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"%.1f\"/>\n", x1, y1, x2, y2, colour, thick);
  }
  static std::string number(double v) {
    char text[32];
    std::snprintf(text, sizeof text, "%.10g", std::abs(v) < 1e-12 ? 0.0 : v);
    return text;
  }

  void draw_axes(const plot& p) {
    const double x0 = left, x1 = width - right, y0 = height - bottom, y1 = top;
    for (double v = x_.low; v <= x_.high + x_.tick / 2; v += x_.tick) {
      stroke(at_x(v), y0, at_x(v), y1, "#e4e4e4", 1);
      write(at_x(v), y0 + 18, "text-anchor=\"middle\" fill=\"#444444\"", number(std::round(v / x_.tick) * x_.tick));
    }
    for (double v = y_.low; v <= y_.high + y_.tick / 2; v += y_.tick) {
      stroke(x0, at_y(v), x1, at_y(v), "#e4e4e4", 1);
      write(x0 - 8, at_y(v) + 4, "text-anchor=\"end\" fill=\"#444444\"", number(std::round(v / y_.tick) * y_.tick));
    }
    stroke(x0, y0, x1, y0, "#444444", 1.2);
    stroke(x0, y0, x0, y1, "#444444", 1.2);
    const double room = (width - left) / (0.64 * static_cast<double>(std::max<std::size_t>(columns(p.title), 1)));  // for bold letters
    add("<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\" font-weight=\"bold\" fill=\"#222222\">%s</text>\n", x0, y1 - 18,
        std::min(15.0, room), p.title.c_str());
    write((x0 + x1) / 2, height - 14, "text-anchor=\"middle\" fill=\"#222222\"", p.x_label);
    add("<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\" fill=\"#222222\">%s</text>\n", (y0 + y1) / 2,
        p.y_label.c_str());
  }

  void mark(double x, double y, const plot_series& s) {
    add("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" stroke=\"%s\" stroke-width=\"1.6\"/>\n", x, y, s.hollow ? 4.5 : 4.0,
        s.hollow ? "#ffffff" : s.colour.c_str(), s.colour.c_str());
  }
  void draw(const plot_series& s) {
    if (s.line) {
      text_ += "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"" + s.colour + "\" points=\"";
      for (const plot_point& q : s.points) add("%.1f,%.1f ", at_x(q.x), at_y(q.y));
      text_ += "\"/>\n";
      return;
    }
    for (std::size_t i = 1; i < s.points.size() && !s.hollow; ++i)
      stroke(at_x(s.points[i - 1].x), at_y(s.points[i - 1].y), at_x(s.points[i].x), at_y(s.points[i].y), s.colour.c_str(), 0.6);
    for (const plot_point& q : s.points) {
      if (q.x_error > 0) stroke(at_x(q.x - q.x_error), at_y(q.y), at_x(q.x + q.x_error), at_y(q.y), s.colour.c_str(), 1.4);
      if (q.y_error > 0) stroke(at_x(q.x), at_y(q.y - q.y_error), at_x(q.x), at_y(q.y + q.y_error), s.colour.c_str(), 1.4);
      mark(at_x(q.x), at_y(q.y), s);
    }
  }

  struct box {
    double x0, y0, x1, y1;
    bool meets(const box& o) const { return x0 < o.x1 && o.x0 < x1 && y0 < o.y1 && o.y0 < y1; }
  };
  void label(const plot_series& s, const plot_point& q) {
    const double wide = small_letter * static_cast<double>(columns(q.label));
    std::pair<double, double> best;
    box place{};
    long fewest = -1;
    for (const auto& [dx, dy] :
         {std::pair{s.label_x, s.label_y}, {7.0, 14.0}, {-7.0, 14.0}, {7.0, -5.0}, {-7.0, -5.0}, {0.0, -8.0}, {0.0, 18.0}}) {
      const double x = at_x(q.x) + dx - (dx > 0 ? 0 : dx < 0 ? wide : wide / 2), y = at_y(q.y) + dy;
      const box b{x, y - 9, x + wide, y + 2};
      const long wrong = std::count_if(taken_.begin(), taken_.end(), [&](const box& o) { return b.meets(o); }) +
                         (b.x0 < left || b.x1 > width - right || b.y0 < top || b.y1 > height - bottom ? 1 : 0);
      if (fewest < 0 || wrong < fewest) fewest = wrong, best = {dx, dy}, place = b;
    }
    taken_.push_back(place);
    const char* const anchor = best.first > 0 ? "start" : best.first < 0 ? "end" : "middle";
    const std::string style = "font-size=\"11\" fill=\"" + s.colour + "\" text-anchor=\"" + anchor +
                              "\" paint-order=\"stroke\" stroke=\"#ffffff\" stroke-width=\"3\"";
    write(at_x(q.x) + best.first, at_y(q.y) + best.second, style.c_str(), q.label);
  }

  void draw_legend(const plot_series& s, double x, double y) {
    if (s.line)
      stroke(x - 9, y, x + 9, y, s.colour.c_str(), 2);
    else
      mark(x, y, s);
    write(x + 16, y + 4, "fill=\"#222222\"", s.name);
  }

  std::vector<box> taken_;  // by marks and labels
  axis x_, y_;
  std::string text_;
};

}  // namespace tilt::program
