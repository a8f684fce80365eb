#include "saobp/attention/cpu/scratch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <optional>
#include <thread>

namespace saobp::attention::cpu {
namespace {

constexpr int64_t kFloats = 100'000;

// Scratch with one part, which a caller gets at.
struct OnePart {
  explicit OnePart(int64_t floats) : scratch([&](auto& place) { place(data, floats); }) {}
  float* data;
  Scratch scratch;
};

TEST(Scratch, PartsAreAlignedAndApart) {
  float *one, *none, *three;
  double* two;
  const Scratch scratch([&](auto& place) {
    place(one, 5);
    place(none, 0);
    place(two, 5);
    place(three, 9);
  });
  for (const void* part : {static_cast<void*>(one), static_cast<void*>(two), static_cast<void*>(three)})
    EXPECT_EQ(reinterpret_cast<uintptr_t>(part) % 64, 0u);
  EXPECT_EQ(none, nullptr);
  EXPECT_GE(reinterpret_cast<float*>(two), one + 5);
  EXPECT_GE(three, reinterpret_cast<float*>(two + 5));
}

// In a thread of its own, which has kept nothing yet.
void in_new_thread(void (*work)()) { std::thread(work).join(); }

TEST(Scratch, AThreadTakesAgainWhatItGaveBack) {
  in_new_thread([] {
    std::optional<OnePart> large(2 * kFloats), small(kFloats);
    float *of_large = large->data, *of_small = small->data;
    large.reset(), small.reset();
    const OnePart first(kFloats / 2), second(kFloats / 2), third(kFloats / 2);
    EXPECT_EQ(first.data, of_small) << "the smallest that is large enough";
    EXPECT_EQ(second.data, of_large);
    EXPECT_NE(third.data, of_small);
    EXPECT_NE(third.data, of_large);
  });
}

TEST(Scratch, IsPoisonedEachTimeThatItIsHandedOut) {
  in_new_thread([] {
    poison_scratch(true);
    for (int round = 0; round < 2; ++round) {
      const OnePart scratch(kFloats);
      float* part = scratch.data;
      EXPECT_TRUE(std::isnan(part[0]) && std::isnan(part[kFloats - 1])) << round;
      part[0] = part[kFloats - 1] = 1;
    }
    poison_scratch(false);
  });
}

}  // namespace
}  // namespace saobp::attention::cpu
