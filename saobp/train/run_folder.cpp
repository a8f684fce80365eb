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

namespace {

// A line of a log; nothing when it is not one.
std::optional<io::Json> parse_log_line(std::string_view line) {
  auto json = io::Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) return {};
  for (const char* loss : {"loss", "validation_loss"})
    if (json.contains(loss) && !json[loss].is_number()) return {};
  return json;
}

// A copy beside the file, under the first name that is free.
fs::path keep_aside(const fs::path& path) {
  fs::path aside = path.string() + ".damaged";
  for (int i = 2; fs::exists(aside); ++i) aside = path.string() + concat(".damaged-", i);
  std::error_code error;
  if (!fs::copy_file(path, aside, error))
    fail(path.string(), ": is damaged and cannot be kept aside as ", aside.string(), ": ", error.message());
  return aside;
}

}  // namespace

MetricsLog::MetricsLog(const fs::path& path, int64_t last_step) {
  std::string text;
  if (fs::exists(path)) {
    const std::string old = io::read_file(path);
    uint64_t number = 0, first = 0, damaged = 0;
    for (size_t begin = 0, end; (end = old.find('\n', begin)) != std::string::npos; begin = end + 1) {
      ++number;
      auto line = parse_log_line(std::string_view(old).substr(begin, end - begin));
      if (!line) {
        if (damaged++ == 0) first = number;
      } else if (line->at("step").get<int64_t>() <= last_step) {
        text += line->dump() + "\n";
        kept_.push_back(std::move(*line));
      }
    }
    if (damaged > 0)
      damage_ = concat(path.string(), ": line ", first, " is no record of a step",
                       damaged > 1 ? concat(", nor are ", damaged - 1, " more") : "", "; the file is kept as ",
                       keep_aside(path).string(), ", and the log goes on without ",
                       damaged > 1 ? "these lines" : "this line");
  }
  io::write_file(path, text);
  file_.emplace(path, io::AppendedFile::Open::existing_or_new);
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

void Checkpoints::save(const model::LanguageModel& model, const AdamW& optimizer, const io::Json& state) const {
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
  for (size_t i = 0; i + static_cast<size_t>(keep_) < found.size(); ++i) fs::remove_all(found[i]);
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

io::SealedJson Checkpoints::load(const fs::path& checkpoint, const model::LanguageModel& model, AdamW& optimizer) {
  auto state = io::read_sealed_json(checkpoint / "state.json");
  model::load_checkpoint_tensors(model, checkpoint / "model.safetensors");
  const auto path = checkpoint / "optimizer.safetensors";
  optimizer.load_state(model::load_tensors(path), path.string());
  return state;
}

}  // namespace saobp::train
