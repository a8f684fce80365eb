#pragma once

#include "saobp/io/fields.h"

namespace saobp::train {

// Losses beside the language model's (regularizers.h).
struct RegularizerOptions {
  double entropy_reg = 0;
  double entropy_reg_tolerance = 0.2;
  double eigen_reg = 0;
  double eigen_reg_mean = 1;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("entropy_reg", self.entropy_reg, "coefficient of Entropy-Reg, such as 1e-5; 0: none", io::between(0, 1e3));
    visit("entropy_reg_tolerance", self.entropy_reg_tolerance,
          "γ: how far a row's entropy may be from its threshold, as a share of the most that it could be",
          io::between(0, 1));
    visit("eigen_reg", self.eigen_reg, "ρ of Eigen-Reg, on the scale of the eigenspectrum of W_Q W_Kᵀ; 0: none",
          io::between(0, 1e9));
    visit("eigen_reg_mean", self.eigen_reg_mean,
          "κ of Eigen-Reg, on the distance of the spectrum's mean from its first", io::between(0, 1e9));
  }
};

}  // namespace saobp::train
