#include "saobp/recipes/start_model.h"

#include "saobp/io/words.h"
#include "saobp/model/weights.h"
#include "saobp/recipes/run_setup.h"

namespace saobp::recipes {
namespace {

std::string some_of(const std::vector<std::string>& names) {
  constexpr size_t kShown = 6;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i > 0 ? ", " : "") + names[i];
  return names.size() <= kShown ? text : concat(text, " and ", names.size() - kShown, " more");
}

std::string described(const model::RefinedAttentionConfig& refined) {
  std::string text = io::enum_name(refined.attention);
  if (attention::has_strength(refined.attention))
    text += refined.strengths.empty() ? concat(", λ = ", io::in_short(refined.strength))
                                      : concat(", λ = ", model::to_json(refined.strengths).dump());
  if (refined.strength_length > 0) text += concat(", for rows of ", refined.strength_length);
  if (!refined.exclude_self) text += ", a row's own message in it";
  if (refined.qk_norm) text += ", with QK-norm";
  return text;
}

}  // namespace

StartedModel start_model(const PretrainOptions& options, const text::Tokenizer& tokenizer) {
  const auto facts = vocabulary_facts(options.model, tokenizer);
  const auto config = resolve_model(options.model, facts, options.train.length);
  const auto seed = static_cast<uint64_t>(options.train.seed);
  if (options.model.from.empty()) return {model::make_model(config, seed), nullptr, {}};

  const std::filesystem::path folder = options.model.from;
  const auto before = model::read_config(folder / "config.json");
  auto loaded = model::load_model(
      folder, {.head = model::HeadKind::language_model, .seed = seed, .change = [&](model::ModelConfig& c) {
                 const bool tied = c.tie_word_embeddings;
                 c = config;
                 c.tie_word_embeddings = tied;
               }});
  loaded.model->keep_sigma();
  if (auto note = train_positions(*loaded.model, options.train.length); !note.empty())
    loaded.notes.push_back(std::move(note));
  const size_t tensors = model::named_weights(loaded.model).size(), taken = tensors - loaded.drawn.size();
  StartedModel started{loaded.model,
                       {{"folder", folder.string()},
                        {"attention", model::to_json(before.refined_attention)},
                        {"taken_over", taken},
                        {"drawn", loaded.drawn},
                        {"unused", loaded.unused},
                        {"notes", loaded.notes}},
                       {}};
  const auto line = [&](const std::string& text) { started.lines.push_back(text); };
  line(concat(folder.string(), ": ", taken, " of ", io::counted(tensors, "tensor"), " taken over",
              loaded.drawn.empty() ? "" : concat("; drawn anew: ", some_of(loaded.drawn)),
              loaded.unused.empty() ? "" : concat("; not used: ", some_of(loaded.unused))));
  for (const auto& note : loaded.notes) line(note);
  const auto &old = before.refined_attention, &now = config.refined_attention;
  if (described(old) != described(now)) line(concat("its attention was ", described(old), ", and is ", described(now)));
  if (!options.model.tokenizer.empty()) {
    std::string own;
    try {
      own = text::load_tokenizer(folder)->to_json();
    } catch (const Error&) {  // it has none
    }
    if (own != tokenizer.to_json())
      line(concat("the tokenizer in ", options.model.tokenizer,
                  " is not the model's own: its ids may mean other tokens"));
  }
  if (loaded.stretched_from > 0)
    started.record["positions"] = {{"before", loaded.stretched_from}, {"now", config.max_length()}};
  return started;
}

train::Regularizers set_up(const model::Model& model, const PretrainOptions& options) {
  if (options.model.sinusoidal_positions) model->set_sinusoidal_positions();
  set_dtype(model, options.train.dtype);
  if (options.model.learn_strength != LearnStrength::none) model->learn_strengths();
  model->strength_scale = strength_scale(options.model, 0);
  return train::add_regularizers(options.regularizers, model);
}

StartedModel resume_model(const PretrainOptions& options, const std::filesystem::path& run) {
  const auto config = resumed_model(options.model, run / "config.json");
  return {model::make_model(config, static_cast<uint64_t>(options.train.seed)), nullptr, {}};
}

}  // namespace saobp::recipes
