#include "saobp/recipes/pretrain.h"

#include "saobp/recipes/pretraining.h"
#include "saobp/recipes/run_setup.h"

namespace saobp::recipes {
namespace {

PretrainOptions read(const io::Json& options) { return options_from_json<PretrainOptions>(options, "options"); }

// What of a source is no path: its weight, and where its documents end.
io::Json without_paths(const std::vector<std::string>& sources, data::DocumentEnd document) {
  auto json = io::Json::array();
  for (const auto& text : sources) {
    const auto source = data::parse_source(text, document);
    json.push_back({{"weight", source.weight ? io::Json(*source.weight) : io::Json()},
                    {"document", io::enum_name(source.document)}});
  }
  return json;
}

io::Json shared_options(const io::Json& given) {
  const auto options = read(given);
  auto json = given;
  json["model"].erase("tokenizer");
  if (options.model.model.ends_with(".json")) json["model"].erase("model");
  json["model"].erase("from");
  for (const char* name : {"cache", "exclude"}) json["corpus"].erase(name);
  json["corpus"]["corpus"] = without_paths(options.corpus.corpus, options.corpus.document);
  json["train"]["validation"] = without_paths(options.train.validation, options.corpus.document);
  json["train"].erase("threads");
  json["distributed"].erase("rank_timeout");
  return flattened(json);
}

std::unique_ptr<Composition> compose(const io::Json& options, const RunPlace& place) {
  return make_pretraining(read(options), place);
}

}  // namespace

const Recipe kPretraining = {
    .command = "pretrain",
    .changeable = {"--steps", "--threads", "--log-every", "--validate-every", "--checkpoint-every",
                   "--keep-checkpoints", "--max-skipped", "--tensorboard", "--cache", "--monitor-every",
                   "--monitor-rows", "--monitor-probes", "--rank-timeout"},
    .read_options = [](const io::Json& json,
                       const std::string& source) { return to_json(options_from_json<PretrainOptions>(json, source)); },
    .check = [](const io::Json& options) { check(read(options)); },
    .shared = shared_options,
    .compose = compose};

RunOutcome pretrain(const PretrainOptions& options, const fs::path& run, const train::Reporter& reporter) {
  check(options);
  return start_run(kPretraining, to_json(with_absolute_paths(options)), [&] { find_texts(options); }, run, reporter);
}

RunOutcome resume_pretraining(const fs::path& run, io::Json changes, const train::Reporter& reporter) {
  if (changes.contains("corpus") && changes["corpus"].contains("cache")) {
    auto& cache = changes["corpus"]["cache"];
    if (const auto path = cache.get<std::string>(); !path.empty()) cache = fs::absolute(path).string();
  }
  return resume_run(kPretraining, run, changes, reporter);
}

}  // namespace saobp::recipes
