// SPDX-License-Identifier: Apache-2.0
#define CATCH_CONFIG_MAIN  // version 2 puts its main function here, version 3 has a library for it
#include "support/catch.hpp"
