// SPDX-License-Identifier: Apache-2.0
// A backend that fuses attention's forward pass and not its backward pass.
#include "../support/fused_backend.hpp"

struct mine : tilt::reference_backend<double> {
  using arguments = tilt::detail::attention_arguments<double>;
  using view = tilt::matrix_view<double>;
  void attention_forward(const arguments&, view, tilt::team_scratch<double>) {}
#ifndef TILT_MUST_FAIL
  void attention_backward(const arguments&, tilt::matrix_view<const double>, view, view, view, tilt::team_scratch<double>) {}
#endif
};
int main() {
  mine backend;
  tilt::detail::attention_forward(backend, {}, {}, {});
}
