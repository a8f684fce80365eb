#include "saobp/attention/cpu/scratch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <new>
#include <optional>
#include <thread>

namespace saobp::attention::cpu {
namespace {

constexpr int64_t kFloats = 100'000;

TEST(Scratch, PartsAreAlignedAndApart) {
  Scratch scratch(16 * 3 + 8);
  float* one = scratch.floats(5);
  double* two = scratch.doubles(5);
  float* three = scratch.floats(9);
  for (const void* part : {static_cast<void*>(one), static_cast<void*>(two), static_cast<void*>(three)})
    EXPECT_EQ(reinterpret_cast<uintptr_t>(part) % 64, 0u);
  EXPECT_GE(reinterpret_cast<float*>(two), one + 5);
  EXPECT_GE(three, reinterpret_cast<float*>(two + 5));
  EXPECT_THROW(scratch.floats(100), std::bad_alloc);
}

// In a thread of its own, which has kept nothing yet.
void in_new_thread(void (*work)()) { std::thread(work).join(); }

TEST(Scratch, AThreadTakesAgainWhatItGaveBack) {
  in_new_thread([] {
    std::optional<Scratch> large(std::in_place, 2 * kFloats), small(std::in_place, kFloats);
    float *of_large = large->floats(1), *of_small = small->floats(1);
    large.reset(), small.reset();
    Scratch first(kFloats / 2), second(kFloats / 2), third(kFloats / 2);
    EXPECT_EQ(first.floats(1), of_small) << "the smallest that is large enough";
    EXPECT_EQ(second.floats(1), of_large);
    float* fresh = third.floats(1);
    EXPECT_NE(fresh, of_small);
    EXPECT_NE(fresh, of_large);
  });
}

TEST(Scratch, IsPoisonedEachTimeThatItIsHandedOut) {
  in_new_thread([] {
    poison_scratch(true);
    for (int round = 0; round < 2; ++round) {
      Scratch scratch(kFloats);
      float* part = scratch.floats(kFloats);
      EXPECT_TRUE(std::isnan(part[0]) && std::isnan(part[kFloats - 1])) << round;
      part[0] = part[kFloats - 1] = 1;
    }
    poison_scratch(false);
  });
}

}  // namespace
}  // namespace saobp::attention::cpu
