// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace tilt::program {

struct plot_point {
  double x = 0, y = 0, x_error = 0, y_error = 0;
  std::string label = {};
};
struct plot_series {
  std::string name, colour;
  std::vector<plot_point> points = {};
  bool line = false;      ///< joined by a line, without marks
  bool hollow = false;    ///< marks are rings, and nothing joins them
  double label_x = 7, label_y = 14;  ///< where the points' labels stand, from the point
};
struct plot {
  std::string title, x_label, y_label;
  std::vector<plot_series> series;
};

/// A plot as SVG text: axes with round ticks, lines, points with error bars and labels, a legend. Needs no other program.
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
    add("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"13\">\n", width, height);
    add("<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", width, height);
    draw_axes(p);
    for (const plot_series& s : p.series) draw(s);
    draw_legend(p);
    text_ += "</svg>\n";
  }
  const std::string& text() const { return text_; }

 private:
  static constexpr int width = 760, height = 480, left = 64, right = 24, top = 44, bottom = 56;

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
  void write(double x, double y, const char* style, const std::string& words) { add("<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>\n", x, y, style, words.c_str()); }
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
    write(x0, y1 - 18, "font-size=\"15\" font-weight=\"bold\" fill=\"#222222\"", p.title);
    write((x0 + x1) / 2, height - 14, "text-anchor=\"middle\" fill=\"#222222\"", p.x_label);
    add("<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\" fill=\"#222222\">%s</text>\n", (y0 + y1) / 2, p.y_label.c_str());
  }

  void mark(double x, double y, const plot_series& s) {
    add("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" stroke=\"%s\" stroke-width=\"1.6\"/>\n", x, y, s.hollow ? 4.5 : 4.0, s.hollow ? "#ffffff" : s.colour.c_str(), s.colour.c_str());
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
      const char* const anchor = s.label_x > 0 ? "start" : s.label_x < 0 ? "end" : "middle";
      const std::string style = "font-size=\"11\" fill=\"" + s.colour + "\" text-anchor=\"" + anchor + "\"";
      if (!q.label.empty()) write(at_x(q.x) + s.label_x, at_y(q.y) + s.label_y, style.c_str(), q.label);
    }
  }

  void draw_legend(const plot& p) {
    double y = height - bottom - 14 - 18 * static_cast<double>(p.series.size() - 1);
    for (const plot_series& s : p.series) {
      const double x = width - right - 250;
      if (s.line) stroke(x - 9, y, x + 9, y, s.colour.c_str(), 2);
      else mark(x, y, s);
      write(x + 16, y + 4, "fill=\"#222222\"", s.name);
      y += 18;
    }
  }

  axis x_, y_;
  std::string text_;
};

}  // namespace tilt::program
