// SPDX-License-Identifier: Apache-2.0
// A packet backend made from a number that is not a packet.
#include <tilt/tensor/packet_backend.hpp>

#ifdef TILT_MUST_FAIL
tilt::packet_backend<float> backend;
#endif
int main() {}
