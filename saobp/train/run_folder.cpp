#include "saobp/train/run_folder.h"

#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <map>

#include "saobp/io/partial.h"

namespace saobp::train {

std::string timestamp() {
  std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

io::Json describe_host() {
  char name[256] = "unknown";
  ::gethostname(name, sizeof name - 1);
  std::string processor = "unknown";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) {
      processor = line.substr(line.find(':') + 2);
      break;
    }
  return {{"saobp", SAOBP_VERSION},
          {"torch", TORCH_VERSION},
          {"host", name},
          {"processor", processor},
          {"cores", static_cast<int64_t>(::sysconf(_SC_NPROCESSORS_ONLN))},
          {"threads", at::get_num_threads()}};
}

std::vector<fs::path> Checkpoints::all() const {
  std::vector<fs::path> found;
  if (!fs::exists(folder_)) return found;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("step-") && name.find(".partial") == std::string::npos) found.push_back(entry.path());
  }
  // Names are padded to six digits; longer numbers sort after shorter ones.
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    return std::pair(a.native().size(), a.native()) < std::pair(b.native().size(), b.native());
  });
  return found;
}

void replace_folder(const fs::path& target, const std::function<void(const fs::path&)>& write) {
  io::PartialFolder folder(target);
  write(folder.path());
  folder.commit();
}

bool make_new_folder(const fs::path& target, const std::function<void(const fs::path&)>& write) {
  io::PartialFolder folder(target);
  write(folder.path());
  return folder.commit_new();
}

void Checkpoints::save(const model::Model& model, const AdamW& optimizer, const io::Json& state) const {
  char name[32];
  std::snprintf(name, sizeof name, "step-%06lld", static_cast<long long>(state.at("step").get<int64_t>()));
  replace_folder(folder_ / name, [&](const fs::path& folder) {
    const auto weights =
        model::save_tensors(folder / "model.safetensors", model::checkpoint_tensors(model), {{"format", "pt"}});
    const auto moments = model::save_tensors(folder / "optimizer.safetensors", optimizer.state());
    io::write_sealed_json(folder / "state.json", state,
                          {{"model.safetensors", weights}, {"optimizer.safetensors", moments}});
  });
  auto found = all();
  for (size_t i = 0; i + static_cast<size_t>(keep_) < found.size(); ++i) {
    const auto going = io::partial_path(found[i]);  // which is no checkpoint, should this be killed half-way
    fs::rename(found[i], going);
    fs::remove_all(going);
  }
}

void Checkpoints::sweep() const {
  if (!fs::exists(folder_)) return;
  std::vector<fs::path> partial;
  for (const auto& entry : fs::directory_iterator(folder_))
    if (entry.path().filename().string().find(".partial-") != std::string::npos) partial.push_back(entry.path());
  for (const auto& path : partial) fs::remove_all(path);
}

std::vector<fs::path> Checkpoints::newest_first() const {
  auto found = all();
  std::reverse(found.begin(), found.end());
  return found;
}

io::SealedJson Checkpoints::load(const fs::path& checkpoint, const model::Model& model, AdamW& optimizer) {
  auto state = io::read_sealed_json(checkpoint / "state.json");
  model::load_checkpoint_tensors(model, checkpoint / "model.safetensors");
  const auto path = checkpoint / "optimizer.safetensors";
  optimizer.load_state(model::load_tensors(path), path.string());
  return state;
}

}  // namespace saobp::train
