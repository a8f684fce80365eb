#include "oracle.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace saobp::attention::testing {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix zeros(int64_t rows, int64_t columns) { return Matrix(rows, std::vector<double>(columns, 0.0)); }

// May query j look at key k, and does query i send?
struct Rules {
  std::vector<bool> real_query, real_key;
  bool causal;  // no query sees a later key
  bool leaky;   // but it takes the messages of later queries
  bool sees(int64_t j, int64_t k) const { return real_query[j] && real_key[k] && (!causal || k <= j); }
  bool receives(int64_t j, int64_t i) const { return real_query[i] && (!causal || leaky || i <= j); }
};

Matrix softmax_attention(const at::Tensor& query, const at::Tensor& key, const Rules& rules) {
  const auto q = query.accessor<double, 2>(), k = key.accessor<double, 2>();
  Matrix a = zeros(q.size(0), k.size(0));
  for (int64_t j = 0; j < q.size(0); ++j) {
    std::vector<double> score(k.size(0), 0.0);
    double largest = -INFINITY, total = 0;
    for (int64_t i = 0; i < k.size(0); ++i) {
      if (!rules.sees(j, i)) continue;
      for (int64_t d = 0; d < q.size(1); ++d) score[i] += q[j][d] * k[i][d];
      score[i] /= std::sqrt(static_cast<double>(q.size(1)));
      largest = std::max(largest, score[i]);
    }
    for (int64_t i = 0; i < k.size(0); ++i) total += rules.sees(j, i) ? std::exp(score[i] - largest) : 0;
    for (int64_t i = 0; i < k.size(0); ++i) a[j][i] = rules.sees(j, i) ? std::exp(score[i] - largest) / total : 0;
  }
  return a;
}

void normalise_rows(Matrix& m) {
  for (auto& row : m) {
    double total = 0;
    for (double x : row) total += x;
    for (double& x : row) x = total > 0 ? x / total : 0;
  }
}

// Algorithm 1, line by line: `a` sends the messages, `prior` (A itself in the first step) is what they act on. In the
// causal form row j takes messages from i < j only (and its own if it is kept).
// Products are carried as logarithms, so that 512 messages of e^{-20} do not underflow.
// strength_length: t of the encoder form, and the sum of the logarithms that a row of the causal form takes, are
// multiplied by the share of that length in the number of senders, where it is less than 1.
Matrix algorithm_1(const Matrix& prior, const Matrix& a, double lambda, const AttentionOptions& options,
                   const Rules& rules) {
  const int64_t rows = a.size(), columns = rows ? a[0].size() : 0;
  const bool exclude_self = options.exclude_self;
  const auto sends = [&](int64_t i) { return std::any_of(a[i].begin(), a[i].end(), [](double x) { return x > 0; }); };
  const auto share = [&](int64_t senders) {
    return options.strength_length == 0 ? 1.0 : std::min(1.0, static_cast<double>(options.strength_length) / senders);
  };
  if (!options.causal) {
    int64_t senders = 0;
    for (int64_t i = 0; i < rows; ++i) senders += sends(i) ? 1 : 0;
    lambda = -std::log1p(-share(senders) * -std::expm1(-lambda));
  }
  Matrix log_message = zeros(rows, columns);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t k = 0; k < columns; ++k) {
      double sum = 0;
      for (int64_t r = 0; r < columns; ++r) sum += a[i][r];
      // e^λ Σ_r A_ir + (1 − e^λ) A_ik, with the k-th term of the sum taken out so that nothing cancels.
      double message = a[i][k];
      for (int64_t r = 0; r < columns; ++r) message += r == k ? 0 : std::exp(lambda) * a[i][r];
      log_message[i][k] = sum > 0 ? std::log(message) : 0;
    }
  }
  Matrix b = zeros(rows, columns);
  for (int64_t j = 0; j < rows; ++j) {
    std::vector<double> log_u(columns, -INFINITY);
    double largest = -INFINITY;
    for (int64_t k = 0; k < columns; ++k) {
      if (!rules.sees(j, k)) continue;
      double heard = 0;
      int64_t senders = 0;
      for (int64_t i = 0; i < rows; ++i) {
        if (!rules.receives(j, i) || (i == j && exclude_self)) continue;
        // Causal: a row i < k does not see key k (A_ik = 0) and sends it the message e^λ that it sends every such key;
        // the normaliser e^λ per sender is taken out for all keys alike.
        heard += log_message[i][k] - lambda;
        senders += sends(i) ? 1 : 0;
      }
      log_u[k] = std::log(prior[j][k]) + (options.causal ? share(senders) : 1.0) * heard;
      largest = std::max(largest, log_u[k]);
    }
    for (int64_t k = 0; k < columns; ++k) {
      b[j][k] = rules.sees(j, k) && log_u[k] > -INFINITY ? std::exp(log_u[k] - largest) : 0;
    }
  }
  normalise_rows(b);
  return b;
}

Matrix elemmul(const Matrix& left, const Matrix& a, bool causal) {
  Matrix b = zeros(a.size(), a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < (causal ? i + 1 : a.size()); ++j) {
      for (size_t k = 0; k < a[i].size(); ++k) b[i][j] += left[i][k] * a[j][k];
    }
  }
  return b;
}

void store(const Matrix& m, at::Tensor target) {
  auto out = target.accessor<double, 2>();
  for (size_t i = 0; i < m.size(); ++i) {
    for (size_t j = 0; j < m[i].size(); ++j) out[i][j] = m[i][j];
  }
}

std::vector<bool> flags(const std::optional<at::Tensor>& mask, int64_t batch, int64_t length) {
  std::vector<bool> result(length, true);
  for (int64_t i = 0; mask && i < length; ++i) result[i] = (*mask)[batch][i].item<bool>();
  return result;
}

void multiply_value(const Matrix& weights, const at::Tensor& value, const Rules& rules, at::Tensor output) {
  const auto v = value.accessor<double, 2>();
  auto out = output.accessor<double, 2>();
  for (int64_t j = 0; j < out.size(0); ++j) {
    for (int64_t k = 0; k < v.size(0); ++k) {
      for (int64_t d = 0; rules.real_key[k] && d < v.size(1); ++d) out[j][d] += weights[j][k] * v[k][d];
    }
  }
}

double strength_of_head(const AttentionOptions& options, int64_t head) {
  if (!options.strengths) return options.strength;
  return (*options.strengths)[options.strengths->size(0) == 1 ? 0 : head].item<double>();
}

}  // namespace

OracleResult oracle(const at::Tensor& query_in, const at::Tensor& key_in, const at::Tensor& value_in,
                    const AttentionOptions& options, const at::Tensor& factors) {
  const auto query = query_in.detach().to(at::kDouble), key = key_in.detach().to(at::kDouble);
  const auto value = value_in.detach().to(at::kDouble);
  const int64_t queries = query.size(2), keys = key.size(2);
  OracleResult result;
  result.attention = at::zeros({query.size(0), query.size(1), queries, keys}, at::kDouble);
  result.refined = at::zeros({query.size(0), query.size(1), queries, options.elemmul ? queries : keys}, at::kDouble);
  result.output = at::zeros({query.size(0), query.size(1), queries, value.size(3)}, at::kDouble);
  const auto query_mask = options.query_mask || queries != keys ? options.query_mask : options.key_mask;
  const int64_t group = query.size(1) / std::max<int64_t>(1, key.size(1));
  for (int64_t b = 0; b < query.size(0); ++b) {
    const Rules rules{flags(query_mask, b, queries), flags(options.key_mask, b, keys),
                      options.causal || options.leaky_causal, options.leaky_causal};
    for (int64_t h = 0; h < query.size(1); ++h) {
      const Matrix a = softmax_attention(query[b][h], key[b][h / group], rules);
      Matrix left = a, refined = a;
      if (options.elemmul) {
        refined = elemmul(a, a, options.causal);
      } else {
        const double strength = strength_of_head(options, h);
        for (int64_t step = 0; step < options.steps; ++step) {
          refined = algorithm_1(a, refined, strength, options, rules);
        }
      }
      Matrix weights = refined;
      const auto factor = [&](int64_t i, int64_t k) {
        return factors.defined() ? factors[b][h][i][k].item<double>() : 1.0;
      };
      if (options.elemmul) {
        std::vector<double> totals(queries, 0.0);
        for (int64_t i = 0; i < queries; ++i) {
          for (double x : refined[i]) totals[i] += x;
          for (int64_t k = 0; k < keys; ++k) left[i][k] *= factor(i, k);
        }
        weights = elemmul(left, a, options.causal);
        for (int64_t i = 0; i < queries; ++i) {
          for (double& x : weights[i]) x = totals[i] > 0 ? x / totals[i] : 0;
        }
        normalise_rows(refined);
      } else {
        for (int64_t i = 0; i < queries; ++i) {
          for (int64_t k = 0; k < keys; ++k) weights[i][k] *= factor(i, k);
        }
      }
      store(a, result.attention[b][h]);
      store(refined, result.refined[b][h]);
      multiply_value(weights, value[b][h / group], rules, result.output[b][h]);
    }
  }
  return result;
}

}  // namespace saobp::attention::testing
