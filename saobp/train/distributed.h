// Data-parallel processes, over PyTorch's own c10d: who they are (torchrun's environment) and what they do together.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "saobp/io/fields.h"
#include "saobp/model/libtorch.h"

namespace saobp::train {

struct DistributedOptions {
  int64_t bucket_mb = 8;
  int64_t rank_timeout = 600;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("bucket_mb", self.bucket_mb, "under torchrun: megabytes of gradients that the ranks sum in one go",
          io::between(1, 4096));
    visit("rank_timeout", self.rank_timeout, "under torchrun: seconds that ranks wait for each other",
          io::between(1, 7 * 24 * 3600));
  }
};

// UsageError naming the flag, what was given and what was expected.
void check(const DistributedOptions& options);

// What torchrun, or a batch system's script, tells each process of its place.
struct Launch {
  int64_t rank = 0;
  int64_t world_size = 1;
  int64_t local_rank = 0;   // among the processes of this machine
  std::string master_addr;  // where the ranks meet; empty in a world of one that nobody launched
  int64_t master_port = 0;
  bool agent_store = false;  // torchrun itself serves the store at that address; otherwise rank 0 does
  int64_t attempt = 0;       // how often torchrun has started the group again after a loss
  std::string job;           // torchrun's --rdzv-id; empty where none was given
};

// From RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, of which all or none must be set, and torchrun's
// TORCHELASTIC_USE_AGENT_STORE, TORCHELASTIC_RESTART_COUNT and TORCHELASTIC_RUN_ID. Error naming the variable that is
// missing or malformed.
Launch launch_from_environment();

// Error when the process is one of several ranks, for a command that has no work for more than one.
void refuse_ranks(const char* command);

// The processes that train one model together. Whatever they do together, all must call in the same order. Each call
// blocks until all have come; when another process has died or the time-out is over it throws an Error that names this
// rank. Nothing can be done together after that: the process has to end, and to be started anew.
class World {
 public:
  // A world of one, in which everything below costs nothing.
  World() = default;
  // Meets the others; at most once a process. Gloo carries tensors of the CPU, NCCL (where LibTorch has it) CUDA's.
  World(const Launch& launch, const DistributedOptions& options, torch::Device device = torch::kCPU);

  int64_t rank() const { return launch_.rank; }
  int64_t size() const { return launch_.world_size; }
  int64_t local_rank() const { return launch_.local_rank; }
  const Launch& launch() const { return launch_; }
  bool is_first() const { return launch_.rank == 0; }  // the one that writes files
  std::string name() const;                            // "rank 1 of 2", for messages

  // The sums over all ranks, the same bits on each of them. Counts of tokens or losses that are to be one mean, or
  // flags on which the ranks have to agree: sum({stop ? 1.0 : 0.0})[0] > 0.
  std::vector<double> sum(const std::vector<double>& values) const { return start_sum(values)(); }
  double sum(double value) const { return sum(std::vector{value})[0]; }

  // Rank 0's values for everyone, in place.
  void broadcast(const std::vector<torch::Tensor>& tensors) const;

  void barrier() const;

  // Starts to sum a contiguous tensor over all ranks, in place; what is returned waits until that is done. The tensor
  // must not be touched in between. Sums run in the background, several at once.
  std::function<void()> start_sum(const torch::Tensor& tensor) const;
  // The same for numbers; what is returned waits and gives the sums.
  std::function<std::vector<double>()> start_sum(const std::vector<double>& values) const;

 private:
  struct Group;

  Launch launch_;
  std::shared_ptr<Group> group_;  // null in a world of one
};

// Meets the other ranks and works with them; an Error of the work then says whose it is.
void among_ranks(const DistributedOptions& options, const std::function<void(const World&)>& work);

}  // namespace saobp::train
