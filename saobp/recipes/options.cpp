#include "saobp/recipes/options.h"

#include <algorithm>
#include <cmath>

#include "saobp/io/number.h"

namespace saobp::recipes {
namespace {

model::ModelConfig sizes_of(const ModelOptions& options) {
  if (!options.from.empty()) return model::read_config(std::filesystem::path(options.from) / "config.json");
  return model::named_config(options.model);
}

using attention::has_strength;

double number_of(const std::string& text) {
  const auto number = io::number_in<double>(text);
  if (!number) fail_usage("--strengths: \"", text, "\" was given; a number was expected");
  return *number;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts = {""};
  for (char c : text)
    if (c == at)
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

// "0.1,0.2": layers; "0.1:0.3,0.2:0.2": the heads of each.
model::Strengths parse_strengths(const std::string& text) {
  model::Strengths strengths;
  for (const auto& layer : split(text, ',')) {
    auto& heads = strengths.emplace_back();
    for (const auto& head : split(layer, ':')) heads.push_back(number_of(head));
  }
  return strengths;
}

double mean_of(const model::Strengths& strengths) {
  double sum = 0;
  for (const auto& heads : strengths)
    for (double strength : heads) sum += strength / static_cast<double>(heads.size());
  return sum / static_cast<double>(strengths.size());
}

// The sizes are in `config` already.
void set_attention(model::ModelConfig& config, const ModelOptions& options) {
  auto& refined = config.refined_attention;
  const bool had_gains = refined.qk_norm;  // weights that a model has are not left out
  refined = {options.attention, 0.0, options.exclude_self};
  refined.strength_length = options.strength_length;
  refined.qk_norm = options.qk_norm || had_gains;
  config.sigma_reparam = options.sigma_reparam;
  if (!has_strength(options.attention)) return;
  if (!options.strengths.empty()) {
    refined.strengths = parse_strengths(options.strengths);
    check_strengths(config, "--strengths");
    refined.strength = mean_of(refined.strengths);
  } else {
    refined.strength = options.strength.value_or(model::default_strength(config));
  }
  set_learned(options.learn_strength, config);
}

void set_vocabulary(model::ModelConfig& config, const VocabularyFacts& vocabulary) {
  config.vocab_size = vocabulary.size;
  config.pad_token_id = vocabulary.pad;
  if (config.causal()) {
    config.bos_token_id = vocabulary.end_of_text;  // one token stands between texts: it ends one and begins the next
    config.eos_token_ids.clear();
    if (vocabulary.end_of_text) config.eos_token_ids = {*vocabulary.end_of_text};
  } else if (config.bos_token_id) {  // a family whose files name them
    config.bos_token_id = vocabulary.first, config.eos_token_ids = {vocabulary.last};
  }
}

// A model that was trained keeps the meaning of its ids.
void keep_vocabulary(const model::ModelConfig& config, const ModelOptions& options, const VocabularyFacts& vocabulary) {
  if (vocabulary.size > config.vocab_size)
    fail(tokenizer_of(options).string(), ": the tokenizer has ", io::counted(vocabulary.size, "token"),
         ", the model in ", options.from, " knows ", config.vocab_size);
  if (!config.causal() && vocabulary.pad != config.pad_token_id)
    fail(tokenizer_of(options).string(), ": padding has id ", vocabulary.pad, "; the model in ", options.from,
         " was trained with ", config.pad_token_id);
}

void check_strength_options(const ModelOptions& m, const train::OptimizerOptions& o) {
  const auto refuse = [&](const char* flag, const auto& value) {
    fail_usage(flag, ": ", value, " was given, but ", io::enum_name(m.attention), " attention has no strength");
  };
  if (m.strength) model::check_strength(m.attention, *m.strength, "--strength");
  if (!m.strengths.empty()) parse_strengths(m.strengths);
  model::check_strength_length(m.attention, m.strength_length, "--strength-length");
  if (!has_strength(m.attention)) {
    if (!m.strengths.empty()) refuse("--strengths", m.strengths);
    if (m.strength_warmup_steps > 0) refuse("--strength-warmup-steps", m.strength_warmup_steps);
    if (m.learn_strength != LearnStrength::none) refuse("--learn-strength", io::enum_name(m.learn_strength));
  }
  if (m.strength && !m.strengths.empty())
    fail_usage("--strength and --strengths were both given; one of them says what λ is");
  check_learned(m.learn_strength, o);
}

}  // namespace

void set_dtype(const model::Model& model, Dtype dtype) {
  if (dtype == Dtype::f64) model->to(torch::kDouble);
  if (dtype == Dtype::bf16) model->compute_type = torch::kBFloat16;
}

data::CorpusOptions validation_corpus(const PretrainOptions& options) {
  auto corpus = options.corpus;
  corpus.corpus = options.train.validation;
  corpus.holdout = 0;
  return corpus;
}

void check(const PretrainOptions& options) {
  const auto& t = options.train;
  const auto& o = options.optimizer;
  if (options.model.from.empty() && options.model.extend_positions)
    fail_usage(
        "--extend-positions: goes with --from; a new model's position table has the length that its config says");
  if (!options.model.from.empty() && options.model.sinusoidal_positions)
    fail_usage("--sinusoidal-positions: does not go with --from, whose model has learned its positions");
  if (const std::filesystem::path from = options.model.from; !from.empty()) {
    if (!std::filesystem::is_directory(from))
      fail(from.string(), ": is not a folder; --from takes a run or another model's folder");
    if (!std::filesystem::exists(from / "config.json") && std::filesystem::exists(from / "state.json"))
      fail(from.string(), ": is a checkpoint in a run; --from takes the run, or its folder best/");
  }
  if (options.model.tokenizer.empty() && options.model.from.empty())
    fail_usage("--tokenizer is missing: a tokenizer.json, a vocab.txt, or a folder with one");
  if (options.corpus.corpus.empty()) fail_usage("--corpus is missing: a file, a folder or a glob of text");
  check_limits(options);
  if (t.batch > kMaxTokensAPass / t.length)
    fail_usage("--batch ", t.batch, " and --length ", t.length, ": ", t.batch, " · ", t.length,
               " tokens a pass were given; at most ", kMaxTokensAPass,
               " were expected (--accumulation makes a step of several passes)");
  if (t.accumulation > kMaxTokensAStep / (t.batch * t.length))
    fail_usage("--accumulation: ", t.accumulation, " was given; at most ", kMaxTokensAStep / (t.batch * t.length),
               " passes of ", t.batch, " · ", t.length, " tokens were expected");
  if (options.corpus.holdout > 0 && !t.validation.empty())
    fail_usage("--holdout and --validation were both given; one of them says what to validate on");
  if (options.monitor.monitor_rows > kMaxTokensAPass / t.length)
    fail_usage("--monitor-rows: ", options.monitor.monitor_rows, " was given; at most ", kMaxTokensAPass / t.length,
               " rows of --length ", t.length, " were expected");
  if (options.monitor.monitor_every > 0 && t.validation.empty() && options.corpus.holdout == 0)
    fail_usage("--monitor-every: ", options.monitor.monitor_every,
               " was given; it looks at validation text, so --validation or --holdout is needed");
  data::parse_sources(options.corpus);
  if (!t.validation.empty())
    for (const auto& source : data::parse_sources(validation_corpus(options), "--validation"))
      if (source.weight) fail_usage("--validation: ", source.path, ": a weight was given; every row is read once");
  check_strength_options(options.model, o);
}

std::filesystem::path tokenizer_of(const ModelOptions& options) {
  return options.tokenizer.empty() ? options.from : options.tokenizer;
}

const model::Family& family_of(const ModelOptions& options) { return *sizes_of(options).family; }

void check_learned(LearnStrength learned, const train::OptimizerOptions& optimizer) {
  if (learned != LearnStrength::none && optimizer.learning_rate == 0)
    fail_usage("--learn-strength: --learning-rate is 0; the rate of strengths follows it and would be 0 too");
}

void set_learned(LearnStrength learned, model::ModelConfig& config) {
  if (learned == LearnStrength::none) return;
  auto& refined = config.refined_attention;
  if (!has_strength(refined.attention))
    fail_usage("--learn-strength: ", io::enum_name(learned), " was given, but ", io::enum_name(refined.attention),
               " attention has no strength");
  if (refined.strengths.empty())
    refined.strengths.assign(static_cast<size_t>(config.num_hidden_layers), {refined.strength});
  for (auto& heads : refined.strengths) {
    if (learned == LearnStrength::head && heads.size() == 1)
      heads.assign(static_cast<size_t>(config.num_attention_heads), heads[0]);
    if (learned == LearnStrength::layer && heads.size() > 1)
      fail_usage("--learn-strength: layer was given, but there is a λ for each head already; head was expected");
  }
}

double strength_scale(const ModelOptions& options, int64_t updates) {
  if (updates >= options.strength_warmup_steps) return 1;
  return static_cast<double>(updates) / static_cast<double>(options.strength_warmup_steps);
}

bool strength_changes(const ModelOptions& options) {
  return options.strength_warmup_steps > 0 || options.learn_strength != LearnStrength::none;
}

model::ModelConfig resumed_model(const ModelOptions& options, const std::filesystem::path& path) {
  auto config = model::read_config(path);
  set_attention(config, options);
  return config;
}

void fit_positions(model::ModelConfig& config, int64_t length, Positions positions) {
  const int64_t table = config.max_length();
  if (length > table && positions != Positions::stretched)
    fail_usage("--length: ", length, " was given; the model's position table ends at ", table,
               positions == Positions::kept ? " (--extend-positions stretches it)" : "");
  if (positions == Positions::fresh) config.trained_positions = length < table ? length : 0;
  if (positions == Positions::stretched && length > config.trained_length()) {
    config.max_position_embeddings += length - table;
    config.trained_positions = 0;
  }
}

std::string train_positions(model::ModelImpl& model, int64_t tokens) {
  const auto& config = model.config;
  const int64_t trained = config.trained_length();
  if (tokens <= trained) return "";
  model.trained_positions = tokens < config.max_length() ? tokens : 0;
  return concat(model::note_on_positions(config, tokens), ": positions from ", trained,
                " on start untrained (--extend-positions stretches the trained ones)");
}

model::ModelConfig resolve_model(const ModelOptions& options, const VocabularyFacts& vocabulary, int64_t length) {
  auto config = sizes_of(options);
  if (options.from.empty())
    set_vocabulary(config, vocabulary);
  else
    keep_vocabulary(config, options, vocabulary);
  config.set_dropout(options.dropout);
  fit_positions(config, length,
                options.from.empty()       ? Positions::fresh
                : options.extend_positions ? Positions::stretched
                                           : Positions::kept);
  set_attention(config, options);
  check(config, options.from.empty() ? options.model : options.from);
  return config;
}

}  // namespace saobp::recipes
