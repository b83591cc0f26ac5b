// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/eigen_packet.hpp>
#define TILT_TESTED tilt::eigen_packet<double>, "eigen packet double"
#include <conformance/packet_suite.hpp>
