#include "saobp/train/same_on_ranks.h"

#include <torch/version.h>

#include <algorithm>

namespace saobp::train {
namespace {

// Rank 0's text, on every rank.
std::string text_of_first(std::string text, const World& world) {
  const auto size = torch::tensor(static_cast<int64_t>(text.size()));
  world.broadcast({size});
  text.resize(static_cast<size_t>(size.item<int64_t>()));
  if (text.empty()) return text;
  const auto bytes = torch::from_blob(text.data(), {static_cast<int64_t>(text.size())}, torch::kUInt8);
  world.broadcast({bytes});
  return text;
}

// The message of the lowest rank that has one, on every rank, cut to what a line holds; empty where none has.
std::string first_message(const std::string& message, const World& world) {
  std::vector<double> has(static_cast<size_t>(world.size()), 0.0);
  has[static_cast<size_t>(world.rank())] = message.empty() ? 0 : 1;
  has = world.sum(has);
  const auto first = std::find(has.begin(), has.end(), 1.0) - has.begin();
  if (first == world.size()) return "";
  constexpr size_t kMost = 1000;
  std::vector<double> letters(kMost, 0.0);  // numbers, since those can be summed
  if (world.rank() == first)
    std::transform(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(std::min(kMost, message.size())),
                   letters.begin(), [](char c) { return static_cast<double>(static_cast<unsigned char>(c)); });
  std::string text;
  for (double letter : world.sum(letters))
    if (letter > 0) text.push_back(static_cast<char>(static_cast<unsigned char>(letter)));
  return text;
}

std::string value_of(const io::Json& json, const std::string& name) {
  if (!json.contains(name)) return "nothing";
  const auto& value = json.at(name);
  auto text = value.is_string() ? value.get<std::string>() : value.dump();
  return text.size() > 300 ? text.substr(0, 300) + "…" : text;
}

std::string difference(const io::Json& ours, const io::Json& first, int64_t rank) {
  const auto describe = [&](const std::string& name) {
    return concat(name, " is ", value_of(ours, name), " on rank ", rank, " and ", value_of(first, name),
                  " on rank 0; all ranks need the same");
  };
  for (const auto& [name, value] : first.items())
    if (!ours.contains(name) || ours.at(name) != value) return describe(name);
  for (const auto& [name, value] : ours.items())
    if (!first.contains(name)) return describe(name);
  return "";
}

}  // namespace

void require_same_on_ranks(const io::Json& ours, const World& world) {
  if (world.size() == 1) return;
  io::Json all = {{"the version of saobp", SAOBP_VERSION}, {"the version of LibTorch", TORCH_VERSION}};
  all.update(ours);
  const auto first = io::parse_json(text_of_first(all.dump(-1, ' ', false, io::Json::error_handler_t::replace), world),
                                    "rank 0's options");
  if (const auto message = first_message(difference(all, first, world.rank()), world); !message.empty()) fail(message);
}

}  // namespace saobp::train
