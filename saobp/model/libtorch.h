// What models and trainers take of LibTorch: tensors and their functions, modules, autograd. <torch/torch.h> brings
// optimisers, loaders of data and much else besides, which costs every unit two seconds; this header is precompiled,
// with what nearly every unit includes as well.
#pragma once

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
