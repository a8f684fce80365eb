#include "saobp/analysis/chain.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

namespace saobp::analysis {
namespace {

// Krylov vectors: of those heads that have not settled with so many, more. What is left is solved whole.
constexpr int64_t kSteps[] = {24, 56, 120};
constexpr double kResidual = 1e-4;
constexpr double kGrowth = 0.02;  // by which another vector may grow faster than by |λ₂|

// Of eigenvalues [n], complex: the places of the one closest to 1 and of the largest other.
struct Leading {
  int64_t first, second;
};
Leading leading(const at::Tensor& eigenvalues) {
  const auto first = (eigenvalues - 1).abs().argmin().item<int64_t>();
  auto modulus = eigenvalues.abs();
  modulus[first] = -1;
  return {first, modulus.argmax().item<int64_t>()};
}

// A matrix with the same eigenvalues: both sides reflected, H A H, H = I − 2vvᵀ, v of no symmetry.
at::Tensor reflected(const at::Tensor& matrix) {
  auto v = at::arange(matrix.size(0), matrix.options()).add_(0.3).cos_().add_(0.5);
  v /= v.norm();
  const auto left = matrix - at::outer(v, at::mv(matrix.t(), v)) * 2;
  return left - at::outer(at::mv(left, v), v) * 2;
}

// In double: eigenvalues alone, and the left null vector of A − I with its sum set to one.
void solve_whole(const at::Tensor& matrix, Chain& chain, int64_t head) {
  const int64_t length = matrix.size(0);
  auto exact = matrix.to(at::kDouble);
  exact = exact / exact.sum(-1, true);  // in float they are off by 1e-7, which long walks make large
  // LAPACK's iteration does not settle on some matrices whose rows are all alike; on them reflected it does.
  for (const bool plainly : {true, false}) {
    if (length < 2) break;
    try {
      const auto values = at::linalg_eigvals(plainly ? exact : reflected(exact));
      chain.second_eigenvalue[head] = values[leading(values).second].abs();
      break;
    } catch (const c10::LinAlgError&) {
    }
  }
  auto system = exact.t() - at::eye(length, exact.options());
  system[length - 1].fill_(1);
  auto right = at::zeros({length}, exact.options());
  right[length - 1] = 1;
  const auto [found, info] = at::linalg_solve_ex(system, right);
  // A chain that falls into parts has many; the one that long walks from anywhere end in is taken.
  if (info.item<int>() == 0 && found.isfinite().all().item<bool>() && found.min().item<double>() > -1e-6) {
    chain.stationary[head] = found.clamp_min(0) / found.clamp_min(0).sum();
    return;
  }
  auto power = exact;
  for (int i = 0; i < 20; ++i) power = at::mm(power, power);
  chain.stationary[head] = power.mean(0);
}

struct Krylov {
  at::Tensor basis;       // vectors of Aᵀ as rows, orthonormal [H, m + 1, L]
  at::Tensor hessenberg;  // [H, m + 1, m]
  at::Tensor growth;      // by which another vector, whose sum is 0, grows a step in the last third of them [H]
};
Krylov arnoldi(const at::Tensor& matrices, int64_t steps) {
  const int64_t heads = matrices.size(0), length = matrices.size(1);
  auto basis = at::zeros({heads, steps + 1, length}, matrices.options());
  auto hessenberg = at::zeros({heads, steps + 1, steps}, matrices.options());
  // No vector that a symmetry of the matrix would keep from some of its eigenvectors.
  const auto weights = at::arange(length, matrices.options()).cos_().mul_(0.5).add_(1);
  const auto start = at::matmul(weights, matrices);
  basis.select(1, 0).copy_(start / start.norm(2, -1, true));
  const auto places = at::arange(length, matrices.options());
  auto other = ((places * (std::numbers::pi / static_cast<double>(length))).cos_() + (places * 1.7).cos_() * 0.5)
                   .expand({heads, 1, -1});
  const int64_t last = steps / 3;
  auto growth = at::zeros({heads}, matrices.options().dtype(at::kDouble));
  for (int64_t step = 0; step < steps; ++step) {
    const auto moved = at::bmm(at::cat({basis.narrow(1, step, 1), other}, 1), matrices);
    auto next = moved.narrow(1, 0, 1);  // [H, 1, L]
    other = moved.narrow(1, 1, 1);
    other = other - other.mean(-1, true);  // its sum, which rounding makes
    const auto grown = other.norm(2, -1, true).clamp_min(1e-30);
    other = other / grown;
    if (step >= steps - last) growth += grown.view({heads}).to(at::kDouble).log();
    const auto known = basis.narrow(1, 0, step + 1);
    for (int pass = 0; pass < 2; ++pass) {  // once is not enough in floating point
      const auto parts = at::bmm(next, known.transpose(1, 2));
      next = next - at::bmm(parts, known);
      hessenberg.select(2, step).narrow(1, 0, step + 1).add_(parts.squeeze(1));
    }
    const auto norm = next.norm(2, -1, true).clamp_min(1e-30);
    hessenberg.select(2, step).select(1, step + 1).copy_(norm.view({heads}));
    basis.select(1, step + 1).copy_((next / norm).squeeze(1));
  }
  return {basis, hessenberg, (growth / static_cast<double>(last)).exp()};
}

// Whether head `at` of the Krylov spaces was solved with so many steps.
bool settle(const Krylov& spaces, int64_t at, Chain& chain, int64_t head) {
  const auto basis = spaces.basis[at];
  const int64_t steps = spaces.hessenberg.size(2);
  const auto small = spaces.hessenberg[at].to(at::kDouble);
  // A Krylov space that has ended knows nothing of an eigenvalue that is there twice.
  if (small.diagonal(-1).min().item<double>() < kResidual) return false;
  const auto [values, vectors] = at::linalg_eig(small.narrow(0, 0, steps));
  const auto [first, second] = leading(values);
  const auto residual = vectors[steps - 1].abs() * small[steps][steps - 1];
  if (std::max(residual[first].item<double>(), residual[second].item<double>()) > kResidual) return false;
  // A chain that falls into parts, or nearly: the space of one vector sees 1 only once.
  if (spaces.growth[at].item<double>() > values[second].abs().item<double>() + kGrowth) return false;
  const auto vector = at::mv(basis.narrow(0, 0, steps).to(at::kDouble).t(), at::real(vectors.select(1, first)));
  const auto positive = (vector / vector.sum()).clamp_min(0);
  chain.stationary[head] = positive / positive.sum();
  chain.second_eigenvalue[head] = values[second].abs();
  return true;
}

}  // namespace

Chain chain_of(const at::Tensor& matrices, bool causal) {
  const int64_t heads = matrices.size(0), length = matrices.size(1);
  Chain chain{at::zeros({heads, length}, at::kDouble), at::full({heads}, NAN, at::kDouble)};
  if (causal) {
    chain.stationary.select(1, 0).fill_(1);
    if (length > 1) chain.second_eigenvalue.copy_(matrices.diagonal(0, 1, 2).narrow(1, 1, length - 1).amax(-1));
    return chain;
  }
  std::vector<int64_t> left(static_cast<size_t>(heads));
  std::iota(left.begin(), left.end(), 0);
  for (const int64_t steps : kSteps) {
    if (left.empty() || 2 * length <= 3 * steps) break;  // nothing to gain
    const auto spaces = arnoldi(matrices.index_select(0, at::tensor(left)), steps);
    std::vector<int64_t> unsettled;
    for (size_t i = 0; i < left.size(); ++i)
      if (!settle(spaces, static_cast<int64_t>(i), chain, left[i])) unsettled.push_back(left[i]);
    left = std::move(unsettled);
  }
  for (const int64_t head : left) solve_whole(matrices[head], chain, head);
  return chain;
}

}  // namespace saobp::analysis
