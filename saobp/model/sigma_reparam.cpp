#include "saobp/model/sigma_reparam.h"

#include <tuple>

namespace saobp::model {
namespace {

torch::Tensor unit(const torch::Tensor& vectors) { return vectors / vectors.norm(2, -1, /*keepdim=*/true); }

}  // namespace

SigmaReparamImpl::SigmaReparamImpl(int64_t matrices, int64_t rows, int64_t columns) {
  gain = register_parameter("gain", torch::empty({matrices}));
  left = register_buffer("left", torch::empty({matrices, rows}));
  right = register_buffer("right", torch::empty({matrices, columns}));
}

// [matrices, rows, columns]
torch::Tensor SigmaReparamImpl::stacked(const torch::Tensor& weight) const {
  return weight.view({left.size(0), left.size(1), right.size(1)});
}

torch::Tensor SigmaReparamImpl::norms(const torch::Tensor& weight) const {
  return (torch::bmm(left.unsqueeze(1), stacked(weight)).squeeze(1) * right).sum(-1);
}

torch::Tensor SigmaReparamImpl::effective(const torch::Tensor& weight) const {
  return (stacked(weight) * (gain / norms(weight)).view({-1, 1, 1})).view_as(weight);
}

void SigmaReparamImpl::start(const torch::Tensor& weight) {
  torch::NoGradGuard no_grad;
  const auto [u, s, vt] = torch::linalg_svd(stacked(weight), /*full_matrices=*/false);
  gain.fill_(1);
  left.copy_(u.select(2, 0));
  right.copy_(vt.select(1, 0));
}

void SigmaReparamImpl::iterate(const torch::Tensor& weight) {
  torch::NoGradGuard no_grad;
  const auto matrices = stacked(weight);
  left.copy_(unit(torch::bmm(matrices, right.unsqueeze(2)).squeeze(2)));
  right.copy_(unit(torch::bmm(left.unsqueeze(1), matrices).squeeze(1)));
}

}  // namespace saobp::model
