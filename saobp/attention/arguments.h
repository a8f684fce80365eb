// What the operators take beside their tensors: one list, from which schemas, registrations and calls follow.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <string>
#include <type_traits>

#include "saobp/attention/refined_attention.h"

namespace saobp::attention {

using OptionalTensor = std::optional<at::Tensor>;

// Text that is part of a type.
template <size_t n>
struct Text {
  constexpr Text(const char (&text)[n]) { std::copy_n(text, n, letters); }  // NOLINT(google-explicit-constructor)
  char letters[n];
};

// A field of the options, and what the schema says of it.
template <auto field, Text text>
struct Argument {
  using Field = std::remove_reference_t<decltype(std::declval<AttentionOptions&>().*field)>;
  // As a kernel takes it.
  using Value = std::conditional_t<std::is_same_v<Field, OptionalTensor>, const OptionalTensor&, Field>;
  static constexpr bool is_tensor = std::is_same_v<Field, OptionalTensor>;
  static constexpr const char* schema = text.letters;

  static const Field& of(const AttentionOptions& options) { return options.*field; }
  static Field& of(AttentionOptions& options) { return options.*field; }
};

template <class... Each>
struct ArgumentList {
  // "Tensor? key_mask=None, …"
  static std::string schema() {
    std::string text;
    ((text += (text.empty() ? "" : ", ") + std::string(Each::schema)), ...);
    return text;
  }
  // Calls f(argument) for each, an Argument<…>.
  template <class F>
  static void each(F&& f) {
    (f(Each{}), ...);
  }
};

// In the order of the schema.
using Arguments = ArgumentList<Argument<&AttentionOptions::key_mask, "Tensor? key_mask=None">,
                               Argument<&AttentionOptions::query_mask, "Tensor? query_mask=None">,
                               Argument<&AttentionOptions::strengths, "Tensor? strengths=None">,
                               Argument<&AttentionOptions::strength, "float strength=0.">,
                               Argument<&AttentionOptions::elemmul, "bool elemmul=False">,
                               Argument<&AttentionOptions::exclude_self, "bool exclude_self=True">,
                               Argument<&AttentionOptions::causal, "bool causal=False">,
                               Argument<&AttentionOptions::leaky_causal, "bool leaky_causal=False">,
                               Argument<&AttentionOptions::steps, "int steps=1">,
                               Argument<&AttentionOptions::dropout, "float dropout=0.">,
                               Argument<&AttentionOptions::seed, "int seed=0">,
                               Argument<&AttentionOptions::strength_length, "int strength_length=0">>;

// The operator that is computed by `f`, which takes the options as one, and before the list of arguments whatever else.
template <auto f, class List = Arguments>
struct Operator;

template <class Result, class... Before, Result (*f)(const AttentionOptions&, Before...), class... Each>
struct Operator<f, ArgumentList<Each...>> {
  // What is registered.
  static Result kernel(Before... before, typename Each::Value... values) {
    AttentionOptions options;
    ((Each::of(options) = values), ...);
    return f(options, before...);
  }

  // Calls the operator, which is registered under this name, by way of the dispatcher.
  static Result call(const char* name, const AttentionOptions& options, Before... before) {
    static const auto handle =
        c10::Dispatcher::singleton().findSchemaOrThrow(name, "").template typed<decltype(kernel)>();
    return handle.call(before..., Each::of(options)...);
  }
};

}  // namespace saobp::attention
