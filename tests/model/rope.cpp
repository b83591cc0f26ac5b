// SPDX-License-Identifier: Apache-2.0
// Rotary frequencies of real Llama 3 models; the golden model is too narrow to have one between the two bounds of wavelength.
#include <tilt/model/rope.hpp>

#include "support/catch.hpp"
#include "support/tolerance.hpp"

namespace {

using namespace tilt;

model_config llama3(index head_dim, double factor) {
  model_config c;
  c.head_dim = head_dim;
  c.rope_theta = 500000;
  c.rope = rope_kind::llama3;
  c.stretch = {.factor = factor, .low_freq_factor = 1, .high_freq_factor = 4, .original_max_position_embeddings = 8192};
  return c;
}

TEST_CASE("rope: frequencies of Llama 3 are those of transformers 5.23, which has them in float") {
  const double bound = 1e-6;
  const std::pair<index, double> narrow[] = {{0, 1.0},
                                             {5, 0.12868738174438477},
                                             {13, 0.00483942124992609},
                                             {14, 0.0032114461064338684},
                                             {15, 0.0012905480107292533},
                                             {16, 0.000429556705057621},
                                             {17, 9.708286233944818e-05},
                                             {18, 1.9461638657958247e-05},
                                             {19, 1.291476746700937e-05},
                                             {31, 9.418306490260875e-08}};
  for (const auto& [j, frequency] : narrow) CHECK(test::close(detail::rope_frequency(llama3(64, 32), j), frequency, bound));
  const std::pair<index, double> wide[] = {{0, 1.0},
                                           {10, 0.12868738174438477},
                                           {27, 0.003942275885492563},
                                           {28, 0.0032114461064338684},
                                           {29, 0.0021665706299245358},
                                           {30, 0.0013718936825171113},
                                           {33, 0.0003126936499029398},
                                           {35, 9.556212171446532e-05},
                                           {37, 6.341514381347224e-05},
                                           {63, 3.068925877869333e-07}};
  for (const auto& [j, frequency] : wide) CHECK(test::close(detail::rope_frequency(llama3(128, 8), j), frequency, bound));
}

}  // namespace
