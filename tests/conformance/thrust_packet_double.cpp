// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/vector_packet.hpp>
#define TILT_TESTED tilt::vector_packet<double>, "vector packet double"
#include <conformance/packet_suite.hpp>
