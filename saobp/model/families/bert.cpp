// Devlin et al. 2019.
#include "saobp/model/config.h"

namespace saobp::model {
TensorNames bert_tensors(const char* prefix) {
  return {.prefix = prefix,
          .word_embeddings = "embeddings.word_embeddings.weight",
          .position_embeddings = "embeddings.position_embeddings.weight",
          .token_type_embeddings = "embeddings.token_type_embeddings.weight",
          .embedding_norm = "embeddings.LayerNorm",
          .layer = "encoder.layer.",
          .query = "attention.self.query",
          .key = "attention.self.key",
          .value = "attention.self.value",
          .attention_output = "attention.output.dense",
          .attention_norm = "attention.output.LayerNorm",
          .up = "intermediate.dense",
          .down = "output.dense",
          .output_norm = "output.LayerNorm",
          .query_norm = "attention.self.query_norm.weight",
          .key_norm = "attention.self.key_norm.weight"};
}

const Family kBert = {
    .name = "bert",
    .title = "BERT",
    .architecture = "BertModel",
    .set_defaults =
        [](ModelConfig& c) {
          c.vocab_size = 30522, c.hidden_size = 768, c.num_hidden_layers = 12, c.num_attention_heads = 12;
          c.intermediate_size = 3072, c.max_position_embeddings = 512, c.type_vocab_size = 2;
          c.layer_norm_eps = 1e-12, c.hidden_act = "gelu", c.pad_token_id = 0;
        },
    .only = {{"position_embedding_type", "absolute"}, {"is_decoder", false}, {"add_cross_attention", false}},
    .tensors = bert_tensors("bert."),
    .heads = {{.kind = HeadKind::language_model,
               .architecture = "BertForMaskedLM",
               .pool = Pool::every,
               .dense = "cls.predictions.transform.dense",
               .norm = "cls.predictions.transform.LayerNorm",
               .output = "cls.predictions.decoder",
               .bias = "cls.predictions.bias"},
              {.kind = HeadKind::sequence_classification,
               .architecture = "BertForSequenceClassification",
               .pool = Pool::first,
               .dense = "bert.pooler.dense",
               .activation = "tanh",
               .output = "classifier",
               .dropout = "classifier_dropout"},
              {.kind = HeadKind::multiple_choice,
               .architecture = "BertForMultipleChoice",
               .pool = Pool::first,
               .dense = "bert.pooler.dense",
               .activation = "tanh",
               .output = "classifier",
               .dropout = "classifier_dropout"},
              {.kind = HeadKind::span,
               .architecture = "BertForQuestionAnswering",
               .pool = Pool::every,
               .output = "qa_outputs"}}};

}  // namespace saobp::model
