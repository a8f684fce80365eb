// Calls the operator and its backward pass, and shows what it throws.
#include <ATen/ATen.h>
#include <saobp/attention/refined_attention.h>

#include <iostream>

int main() {
  using namespace saobp::attention;
  at::manual_seed(1);
  auto query = at::randn({2, 4, 16, 8}).set_requires_grad(true);
  const auto key = at::randn({2, 4, 16, 8}), value = at::randn({2, 4, 16, 8});
  const auto output = refined_attention(query, key, value, from_variant(Variant::high, 0.2));
  output.sum().backward();
  std::cout << "shape " << output.sizes() << "\nkernel " << last_kernel() << "\ngradient "
            << query.grad().abs().sum().item<float>() << "\n";
  try {
    refined_attention(query, at::randn({2, 4, 16, 9}), value, {});
  } catch (const c10::Error& error) {
    std::cout << "error " << error.what_without_backtrace() << "\n";
  }
}
