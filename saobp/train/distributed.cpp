#include "saobp/train/distributed.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include "saobp/io/error.h"
#include "saobp/io/number.h"
#include "saobp/io/words.h"

namespace saobp::train {
namespace {

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  if (!value || !*value) return {};
  return value;
}

int64_t number(const char* name, int64_t low, int64_t high) {
  const auto text = *variable(name);
  const auto value = io::number_in<int64_t>(text);
  if (!value || *value < low || *value > high)
    fail("environment: ", name, " is \"", text, "\"; a whole number from ", low, " to ", high, " was expected");
  return *value;
}

// The first sentence of what a library says, without the place in its source that gloo puts in front.
std::string reason(const std::exception& e) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&e);
  std::string text = torch_error ? torch_error->what_without_backtrace() : e.what();
  text = text.substr(0, std::min(text.find('\n'), text.find(". ")));
  if (const auto end = text.find("] "); text.starts_with('[') && end != std::string::npos) text.erase(0, end + 2);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// c10d also prints what it throws, several times and with stack traces; our Error is to be the one line of it.
void silence_c10d() {
  constexpr int kFatalOnly = 3;
  if (!variable("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = kFatalOnly;
}

c10::intrusive_ptr<c10d::Backend> make_backend(const c10::intrusive_ptr<c10d::Store>& store, const Launch& launch,
                                               std::chrono::milliseconds timeout, torch::Device device) {
  const auto rank = static_cast<int>(launch.rank), size = static_cast<int>(launch.world_size);
  if (device.is_cpu())
    return c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size,
                                                       c10d::ProcessGroupGloo::Options::create_default(timeout));
#ifdef USE_C10D_NCCL
  if (device.is_cuda()) {
    auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = timeout;
    return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
  }
#endif
  fail("data-parallel training on ", device.str(), ": this LibTorch carries only tensors of the CPU between processes");
}

}  // namespace

void check(const DistributedOptions& options) { io::check_limits(options); }

Launch launch_from_environment() {
  const char* const names[] = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"};
  const char *set = nullptr, *missing = nullptr;
  for (const char* name : names) (variable(name) ? set : missing) = name;
  if (!set) return {};
  if (missing)
    fail("environment: ", set, " is set and ", missing,
         " is not; torchrun sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, a single process has none");
  Launch launch;
  launch.world_size = number("WORLD_SIZE", 1, 1'000'000);
  launch.rank = number("RANK", 0, launch.world_size - 1);
  launch.local_rank = number("LOCAL_RANK", 0, launch.world_size - 1);
  launch.master_addr = *variable("MASTER_ADDR");
  launch.master_port = number("MASTER_PORT", 1, 65535);
  launch.agent_store = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
  if (variable("TORCHELASTIC_RESTART_COUNT")) launch.attempt = number("TORCHELASTIC_RESTART_COUNT", 0, 1'000'000);
  if (const auto job = variable("TORCHELASTIC_RUN_ID"); job && *job != "none") launch.job = *job;
  return launch;
}

void refuse_ranks(const char* command) {
  if (const int64_t ranks = launch_from_environment().world_size; ranks > 1)
    fail(command, " was started as one of ", io::counted(ranks, "rank"), " (WORLD_SIZE); it works in one process");
}

struct World::Group {
  c10::intrusive_ptr<c10d::Backend> backend;
  torch::Device device;
  std::string name;  // of this rank

  // Runs what needs the other ranks; a failure becomes an Error that says what was being done.
  template <class Call>
  auto together(const char* doing, Call&& call) const {
    try {
      return call();
    } catch (const std::exception& e) {
      fail(name, ": ", doing, " failed: ", reason(e),
           ". Another rank has ended or cannot be reached; its own message says why");
    }
  }
};

World::World(const Launch& launch, const DistributedOptions& options, torch::Device device) : launch_(launch) {
  if (launch.world_size == 1) return;
  silence_c10d();
  const auto timeout = std::chrono::seconds(options.rank_timeout);
  try {
    c10d::TCPStoreOptions tcp;
    tcp.port = static_cast<uint16_t>(launch.master_port);
    tcp.isServer = launch.rank == 0 && !launch.agent_store;
    tcp.numWorkers = static_cast<size_t>(launch.world_size);
    tcp.waitWorkers = !launch.agent_store;
    tcp.timeout = timeout;
    // torchrun's store outlives a group that died; the new one must not read its keys.
    auto store = c10::make_intrusive<c10d::PrefixStore>(concat("saobp/attempt_", launch.attempt),
                                                        c10::make_intrusive<c10d::TCPStore>(launch.master_addr, tcp));
    store->setTimeout(timeout);
    group_ = std::make_shared<Group>(Group{make_backend(store, launch, timeout, device), device, name()});
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    fail(name(), ": meeting the other ranks at ", launch.master_addr, ":", launch.master_port, " failed: ", reason(e),
         " (--rank-timeout is ", options.rank_timeout, " seconds)");
  }
}

std::string World::name() const { return concat("rank ", rank(), " of ", size()); }

void World::broadcast(const std::vector<torch::Tensor>& tensors) const {
  if (!group_) return;
  torch::NoGradGuard no_grad;
  for (const auto& tensor : tensors)
    group_->together("taking rank 0's values", [&] {
      std::vector<torch::Tensor> one = {tensor.detach()};
      group_->backend->broadcast(one)->wait();
    });
}

void World::barrier() const {
  if (!group_) return;
  group_->together("waiting for all ranks", [&] { group_->backend->barrier()->wait(); });
}

std::function<void()> World::start_sum(const torch::Tensor& tensor) const {
  if (!group_) return [] {};
  constexpr const char* kDoing = "summing over the ranks";
  auto work = group_->together(kDoing, [&] {
    std::vector<torch::Tensor> one = {tensor};
    return group_->backend->allreduce(one);
  });
  return [group = group_, work, kDoing] { group->together(kDoing, [&] { work->wait(); }); };
}

std::function<std::vector<double>()> World::start_sum(const std::vector<double>& values) const {
  if (!group_) return [values] { return values; };
  const auto tensor = torch::tensor(values, torch::kDouble).to(group_->device);
  return [tensor, wait = start_sum(tensor)] {
    wait();
    const auto sums = tensor.cpu();
    const auto* first = sums.const_data_ptr<double>();
    return std::vector<double>(first, first + sums.numel());
  };
}

void among_ranks(const DistributedOptions& options, const std::function<void(const World&)>& work) {
  const World world(launch_from_environment(), options);
  try {
    work(world);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    if (world.size() == 1 || std::string_view(error.what()).starts_with(world.name())) throw;
    fail(world.name(), ": ", error.what());
  }
}

}  // namespace saobp::train
