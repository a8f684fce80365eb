#include "saobp/attention/cpu/dispatch.h"

#include <c10/util/Exception.h>

#include <atomic>
#include <cstdlib>

#include "saobp/attention/cpu/targets.h"

#include <hwy/highway.h>

namespace saobp::attention::cpu {
namespace {

// Of Highway's target bits the lower one is the better one.
constexpr int64_t kWithAvx2 = HWY_AVX2 | (HWY_AVX2 - 1);
constexpr int64_t kWithAvx512 = HWY_AVX3 | (HWY_AVX3 - 1);

const char* name_of(int64_t target) {
  if (target & kWithAvx512) return "avx512";
  return target & kWithAvx2 ? "avx2" : "baseline";
}

int64_t best_of(int64_t targets) { return targets & -targets; }

int64_t usable_targets() { return hwy::SupportedTargets() & HWY_TARGETS; }

// Restricts Highway to `targets`; 0 lifts the restriction.
void restrict_to(int64_t targets) {
  hwy::SetSupportedTargetsForTest(targets);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

std::atomic<bool> below_avx512{false};

void choose(const std::string& name) {
  restrict_to(0);
  below_avx512 = false;
  if (name.empty()) return;
  std::string known;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    if (name == name_of(target)) {
      below_avx512 = name != "avx512";
      return restrict_to(target);
    }
    known += known.find(name_of(target)) == std::string::npos ? std::string(" ") + name_of(target) : "";
  }
  TORCH_CHECK(false, "SAOBP_SIMD is \"", name, "\"; this processor supports", known);
}

std::string name_in_environment() {
  const char* name = std::getenv("SAOBP_SIMD");
  return name ? name : "";
}

}  // namespace

void apply_environment() {
  static const bool done = [] {
    choose(name_in_environment());
    return true;
  }();
  static_cast<void>(done);
}

const char* target_name() {
  apply_environment();
  return name_of(best_of(usable_targets()));
}

bool older_machine() {
  apply_environment();
  return below_avx512;
}

std::vector<std::string> supported_targets() {
  apply_environment();
  std::vector<std::string> names;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    if (names.empty() || names.back() != name_of(target)) names.push_back(name_of(target));
  }
  return names;
}

void use_target(const std::string& name) {
  apply_environment();
  choose(name.empty() ? name_in_environment() : name);
}

}  // namespace saobp::attention::cpu
