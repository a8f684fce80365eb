// Included before any header of Highway: the instruction sets that the kernels are compiled for. On x86 these are plain
// scalar code ("baseline"), AVX2 and AVX-512; what lies between would not pay for compiling everything twice more.
#pragma once

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
