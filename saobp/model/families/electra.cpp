// Clark et al. 2020: BERT with smaller embeddings. Files hold the discriminator, which tells replaced tokens from
// others, or the generator, a masked language model.
#include "saobp/model/config.h"

namespace saobp::model {
namespace {

TensorNames electra_tensors() {
  auto names = bert_tensors("electra.");
  names.embedding_projection = "embeddings_project";
  return names;
}

}  // namespace

const Family kElectra = {.name = "electra",
                         .title = "ELECTRA",
                         .architecture = "ElectraModel",
                         .keys = {.embedding_size = "embedding_size"},
                         .set_defaults =
                             [](ModelConfig& c) {
                               kBert.set_defaults(c);
                               c.embedding_size = 128, c.hidden_size = 256, c.num_attention_heads = 4,
                               c.intermediate_size = 1024;
                             },
                         .only = {{"position_embedding_type", "absolute"},
                                  {"is_decoder", false},
                                  {"add_cross_attention", false},
                                  {"summary_type", "first"},
                                  {"summary_use_proj", true},
                                  {"summary_activation", "gelu"}},
                         .tensors = electra_tensors(),
                         .heads = {{.kind = HeadKind::language_model,
                                    .architecture = "ElectraForMaskedLM",
                                    .pool = Pool::every,
                                    .dense = "generator_predictions.dense",
                                    .activation = "gelu",
                                    .norm = "generator_predictions.LayerNorm",
                                    .output = "generator_lm_head"},
                                   {.kind = HeadKind::replaced_token,
                                    .architecture = "ElectraForPreTraining",
                                    .pool = Pool::every,
                                    .dense = "discriminator_predictions.dense",
                                    .output = "discriminator_predictions.dense_prediction"},
                                   {.kind = HeadKind::sequence_classification,
                                    .architecture = "ElectraForSequenceClassification",
                                    .pool = Pool::first,
                                    .dense = "classifier.dense",
                                    .activation = "gelu",
                                    .output = "classifier.out_proj",
                                    .dropout = "classifier_dropout",
                                    .dropout_before_dense = true},
                                   {.kind = HeadKind::multiple_choice,
                                    .architecture = "ElectraForMultipleChoice",
                                    .pool = Pool::first,
                                    .dense = "sequence_summary.summary",
                                    .activation = "gelu",
                                    .output = "classifier",
                                    .dropout = "summary_last_dropout",
                                    .default_dropout = 0.1},
                                   {.kind = HeadKind::span,
                                    .architecture = "ElectraForQuestionAnswering",
                                    .pool = Pool::every,
                                    .output = "qa_outputs"}}};

}  // namespace saobp::model
