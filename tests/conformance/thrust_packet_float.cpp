// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/vector_packet.hpp>
#define TILT_TESTED tilt::vector_packet<float>, "vector packet float"
#include <conformance/packet_suite.hpp>
