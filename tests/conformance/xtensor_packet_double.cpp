// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/xtensor_packet.hpp>
#define TILT_TESTED tilt::xtensor_packet<double>, "xtensor packet double"
#include <conformance/packet_suite.hpp>
