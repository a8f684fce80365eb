#include "saobp/train/options.h"

#include <algorithm>
#include <cmath>

namespace saobp::train {
namespace {

constexpr int64_t kMaxTokensAPass = int64_t{1} << 20;

void require_at_least(const char* flag, int64_t value, int64_t least) {
  if (value < least) fail_usage(flag, ": ", value, " was given; at least ", least, " was expected");
}

void require_at_most(const char* flag, int64_t value, int64_t most) {
  if (value > most) fail_usage(flag, ": ", value, " was given; at most ", most, " was expected");
}

void require_range(const char* flag, double value, double low, double high) {
  if (!(value >= low && value <= high))
    fail_usage(flag, ": ", value, " was given; a number from ", low, " to ", high, " was expected");
}

model::ModelConfig sizes_of(const ModelOptions& options) {
  return options.model.ends_with(".json") ? model::read_config(options.model) : model::model_preset(options.model);
}

}  // namespace

void set_dtype(const model::LanguageModel& model, Dtype dtype) {
  if (dtype == Dtype::f64) model->to(torch::kDouble);
  if (dtype == Dtype::bf16) model->compute_type = torch::kBFloat16;
}

data::CorpusOptions validation_corpus(const PretrainOptions& options) {
  auto corpus = options.corpus;
  corpus.corpus = options.train.validation;
  corpus.holdout = 0;
  return corpus;
}

void validate(const PretrainOptions& options) {
  const auto& t = options.train;
  const auto& o = options.optimizer;
  if (options.model.tokenizer.empty())
    fail_usage("--tokenizer is missing: a tokenizer.json, a vocab.txt, or a folder with one");
  if (options.corpus.corpus.empty()) fail_usage("--corpus is missing: a file, a folder or a glob of text");
  for (auto [flag, value] :
       {std::pair{"--steps", t.steps}, std::pair{"--batch", t.batch}, std::pair{"--accumulation", t.accumulation},
        std::pair{"--log-every", t.log_every}, std::pair{"--validate-every", t.validate_every},
        std::pair{"--checkpoint-every", t.checkpoint_every}, std::pair{"--keep-checkpoints", t.keep_checkpoints},
        std::pair{"--max-skipped", t.max_skipped}})
    require_at_least(flag, value, 1);
  require_at_least("--length", t.length, 3);
  for (auto [flag, value] :
       {std::pair{"--seed", t.seed}, std::pair{"--threads", t.threads}, std::pair{"--warmup-steps", o.warmup_steps},
        std::pair{"--validation-rows", t.validation_rows}})
    require_at_least(flag, value, 0);
  // Far beyond what a machine does; a slip of the keyboard should not end in the kernel's killing the program.
  require_at_most("--threads", t.threads, 1024);
  require_at_most("--steps", t.steps, 1'000'000'000);
  require_at_most("--accumulation", t.accumulation, 1'000'000);
  require_at_most("--batch", t.batch, kMaxTokensAPass / t.length);
  require_range("--mask-probability", options.masking.mask_probability, 0, 1);
  require_range("--mask-share", options.masking.mask_share, 0, 1);
  require_range("--random-share", options.masking.random_share, 0, 1);
  require_range("--learning-rate", o.learning_rate, 0, 1);
  require_range("--weight-decay", o.weight_decay, 0, 1);
  require_range("--beta1", o.beta1, 0, 0.999999);
  require_range("--beta2", o.beta2, 0, 0.9999999);
  require_range("--epsilon", o.epsilon, 1e-16, 1);
  require_range("--clip", o.clip, 0, 1e9);
  require_range("--dropout", options.model.dropout, 0, 0.99);
  require_range("--holdout", options.corpus.holdout, 0, 0.5);
  require_at_least("--holdout-seed", options.corpus.holdout_seed, 0);
  if (options.corpus.holdout > 0 && !t.validation.empty())
    fail_usage("--holdout and --validation were both given; one of them says what to validate on");
  options.monitor.validate();
  validate(options.distributed);
  if (options.monitor.monitor_every > 0 && t.validation.empty() && options.corpus.holdout == 0)
    fail_usage("--monitor-every: ", options.monitor.monitor_every,
               " was given; it looks at validation text, so --validation or --holdout is needed");
  data::parse_sources(options.corpus);
  if (!t.validation.empty())
    for (const auto& source : data::parse_sources(validation_corpus(options)))
      if (source.weight) fail_usage("--validation: ", source.path, ": a weight was given; every row is read once");
  if (options.model.strength) model::validate_strength(options.model.attention, *options.model.strength, "--strength");
}

io::Json to_json(const PretrainOptions& options) {
  io::Json json = io::Json::object();
  PretrainOptions::sections(options,
                            [&](const char* name, const auto& section) { json[name] = io::fields_to_json(section); });
  return json;
}

void apply_settings(PretrainOptions& options, const io::Json& json, const std::string& source) {
  if (!json.is_object()) fail(source, ": found ", json.type_name(), "; an object of sections was expected");
  std::vector<std::string> known;
  PretrainOptions::sections(options, [&](const char* name, auto& section) {
    known.push_back(name);
    if (json.contains(name)) io::update_fields(section, json.at(name), concat(source, ": ", name));
  });
  for (const auto& [name, value] : json.items())
    if (std::find(known.begin(), known.end(), name) == known.end()) fail(source, ": \"", name, "\" is no section");
}

PretrainOptions pretrain_options_from_json(const io::Json& json, const std::string& source) {
  PretrainOptions options;
  apply_settings(options, json, source);
  return options;
}

void apply_settings(PretrainOptions& options, const std::filesystem::path& file) {
  apply_settings(options, io::read_json(file), file.string());
}

void require_same_options(const PretrainOptions& recorded, const PretrainOptions& now, const std::string& source) {
  const auto before = to_json(recorded), after = to_json(now);
  for (const auto& [section, fields] : before.items())
    for (const auto& [name, value] : fields.items())
      if (const auto& given = after.at(section).at(name); given != value)
        fail(source, ": ", section, ": \"", name, "\" is ", value.dump(), " and this command says ", given.dump(),
             "; a run that is started again needs the options that it began with");
}

model::Family family_of(const ModelOptions& options) { return sizes_of(options).family; }

model::ModelConfig resolve_model(const ModelOptions& options, const VocabularyFacts& vocabulary, int64_t length) {
  auto config = sizes_of(options);
  config.vocab_size = vocabulary.size;
  config.pad_token_id = vocabulary.pad;
  config.eos_token_id = vocabulary.end_of_text;
  config.set_dropout(options.dropout);
  if (length > config.max_position_embeddings)
    fail_usage("--length: ", length, " was given; the model's position table ends at ", config.max_position_embeddings);
  using attention::Variant;
  auto& refined = config.refined_attention;
  refined.attention = options.attention;
  refined.exclude_self = options.exclude_self;
  const bool has_strength = options.attention == Variant::high || options.attention == Variant::low;
  refined.strength = has_strength ? options.strength.value_or(model::default_strength(config)) : 0.0;
  validate(config, options.model);
  return config;
}

}  // namespace saobp::train
