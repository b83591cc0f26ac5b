// SPDX-License-Identifier: Apache-2.0
#include <conformance/thrust_loss.hpp>
