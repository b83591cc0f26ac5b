// SPDX-License-Identifier: Apache-2.0
#include "everything.hpp"

int other();
int other() { return 0; }
