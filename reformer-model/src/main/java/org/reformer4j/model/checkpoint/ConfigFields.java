package org.reformer4j.model.checkpoint;

import static org.reformer4j.model.checkpoint.ConfigField.flag;
import static org.reformer4j.model.checkpoint.ConfigField.integer;
import static org.reformer4j.model.checkpoint.ConfigField.integers;
import static org.reformer4j.model.checkpoint.ConfigField.real;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.DoubleNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.LongNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.reformer4j.api.Activation;
import org.reformer4j.api.LshSelection;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Dialect;
import org.reformer4j.model.Dialect.BucketRule;
import org.reformer4j.model.Dialect.LogitScale;
import org.reformer4j.model.Dialect.RotationScope;
import org.reformer4j.model.LshHashing;
import org.reformer4j.model.ProblemType;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;
import org.reformer4j.model.ResidualArithmetic;

/**
 * All fields of {@code config.json} that stand for themselves; {@link ConfigLabels} has the rest.
 */
final class ConfigFields {
  static final List<ConfigField> ALL =
      List.of(
          integer(
              "attention_head_size",
              ReformerConfig::attentionHeadSize,
              ReformerConfigBuilder::attentionHeadSize),
          real("axial_norm_std", ReformerConfig::axialNormStd, ReformerConfigBuilder::axialNormStd),
          flag(
              "axial_pos_embds",
              ReformerConfig::axialPosEmbds,
              ReformerConfigBuilder::axialPosEmbds),
          integers(
              "axial_pos_embds_dim",
              ReformerConfig::axialPosEmbdsDim,
              ReformerConfigBuilder::axialPosEmbdsDim),
          integers(
              "axial_pos_shape",
              ReformerConfig::axialPosShape,
              ReformerConfigBuilder::axialPosShape),
          integer(
              "chunk_size_feed_forward",
              ReformerConfig::chunkSizeFeedForward,
              ReformerConfigBuilder::chunkSizeFeedForward),
          integer(
              "chunk_size_lm_head",
              ReformerConfig::chunkSizeLmHead,
              ReformerConfigBuilder::chunkSizeLmHead),
          integer(
              "feed_forward_size",
              ReformerConfig::feedForwardSize,
              ReformerConfigBuilder::feedForwardSize),
          real(
              "hidden_dropout_prob",
              ReformerConfig::hiddenDropoutProb,
              ReformerConfigBuilder::hiddenDropoutProb),
          integer("hidden_size", ReformerConfig::hiddenSize, ReformerConfigBuilder::hiddenSize),
          real(
              "initializer_range",
              ReformerConfig::initializerRange,
              ReformerConfigBuilder::initializerRange),
          flag("is_decoder", ReformerConfig::isDecoder, ReformerConfigBuilder::isDecoder),
          real("layer_norm_eps", ReformerConfig::layerNormEps, ReformerConfigBuilder::layerNormEps),
          real(
              "local_attention_probs_dropout_prob",
              ReformerConfig::localAttentionProbsDropoutProb,
              ReformerConfigBuilder::localAttentionProbsDropoutProb),
          integer(
              "local_attn_chunk_length",
              ReformerConfig::localAttnChunkLength,
              ReformerConfigBuilder::localAttnChunkLength),
          integer(
              "local_num_chunks_after",
              ReformerConfig::localNumChunksAfter,
              ReformerConfigBuilder::localNumChunksAfter),
          integer(
              "local_num_chunks_before",
              ReformerConfig::localNumChunksBefore,
              ReformerConfigBuilder::localNumChunksBefore),
          real(
              "lsh_attention_probs_dropout_prob",
              ReformerConfig::lshAttentionProbsDropoutProb,
              ReformerConfigBuilder::lshAttentionProbsDropoutProb),
          integer(
              "lsh_attn_chunk_length",
              ReformerConfig::lshAttnChunkLength,
              ReformerConfigBuilder::lshAttnChunkLength),
          integer(
              "lsh_num_chunks_after",
              ReformerConfig::lshNumChunksAfter,
              ReformerConfigBuilder::lshNumChunksAfter),
          integer(
              "lsh_num_chunks_before",
              ReformerConfig::lshNumChunksBefore,
              ReformerConfigBuilder::lshNumChunksBefore),
          integer(
              "max_position_embeddings",
              ReformerConfig::maxPositionEmbeddings,
              ReformerConfigBuilder::maxPositionEmbeddings),
          integer(
              "num_attention_heads",
              ReformerConfig::numAttentionHeads,
              ReformerConfigBuilder::numAttentionHeads),
          integer("num_hashes", ReformerConfig::numHashes, ReformerConfigBuilder::numHashes),
          integer("pad_token_id", ReformerConfig::padTokenId, ReformerConfigBuilder::padTokenId),
          flag(
              "tie_word_embeddings",
              ReformerConfig::tieWordEmbeddings,
              ReformerConfigBuilder::tieWordEmbeddings),
          flag("use_cache", ReformerConfig::useCache, ReformerConfigBuilder::useCache),
          integer("vocab_size", ReformerConfig::vocabSize, ReformerConfigBuilder::vocabSize),
          new ConfigField(
              "architectures",
              (json, b) ->
                  b.architectures(
                      json.isNull() ? List.of() : ConfigField.toList(json, ConfigField::toText)),
              c ->
                  c.architectures().isEmpty()
                      ? NullNode.instance
                      : ConfigField.array(c.architectures(), TextNode::valueOf)),
          new ConfigField(
              "attn_layers",
              (json, b) ->
                  b.attnLayers(
                      ConfigField.toList(
                          json, e -> AttentionKind.fromConfigName(ConfigField.toText(e)))),
              c -> ConfigField.array(c.attnLayers(), k -> TextNode.valueOf(k.configName()))),
          new ConfigField(
              "classifier_dropout",
              (json, b) ->
                  b.classifierDropout(
                      json.isNull()
                          ? OptionalDouble.empty()
                          : OptionalDouble.of(ConfigField.toDouble(json))),
              c ->
                  c.classifierDropout().isPresent()
                      ? DoubleNode.valueOf(c.classifierDropout().getAsDouble())
                      : NullNode.instance),
          new ConfigField(
              "eos_token_id",
              (json, b) -> b.eosTokenId(json.isNull() ? -1 : ConfigField.toInt(json)),
              c -> c.eosTokenId() < 0 ? NullNode.instance : IntNode.valueOf(c.eosTokenId())),
          new ConfigField(
              "hash_seed",
              (json, b) ->
                  b.hashSeed(
                      json.isNull()
                          ? OptionalLong.empty()
                          : OptionalLong.of(ConfigField.toLong(json))),
              c ->
                  c.hashSeed().isPresent()
                      ? LongNode.valueOf(c.hashSeed().getAsLong())
                      : NullNode.instance),
          new ConfigField(
              "hidden_act",
              (json, b) -> b.hiddenAct(Activation.fromConfigName(ConfigField.toText(json))),
              c -> TextNode.valueOf(c.hiddenAct().configName())),
          choice("lsh_logit_scale", LogitScale.class, Dialect::logitScale, Dialect::with),
          choice("lsh_rotation_scope", RotationScope.class, Dialect::rotationScope, Dialect::with),
          choice("num_buckets_rule", BucketRule.class, Dialect::bucketRule, Dialect::with),
          new ConfigField(
              "lsh_hashing",
              (json, b) -> b.lshHashing(LshHashing.fromConfigName(ConfigField.toText(json))),
              c ->
                  c.lshHashing() == LshHashing.FLOAT
                      ? MissingNode.getInstance()
                      : TextNode.valueOf(c.lshHashing().configName())),
          new ConfigField(
              "lsh_selection",
              (json, b) ->
                  b.lshSelection(
                      Dialect.fromConfigName(LshSelection.class, ConfigField.toText(json))),
              c ->
                  c.lshSelection() == LshSelection.SORTED
                      ? MissingNode.getInstance()
                      : TextNode.valueOf(Dialect.configName(c.lshSelection()))),
          new ConfigField(
              "lsh_distinct_keys",
              (json, b) -> b.lshDistinctKeys(ConfigField.toBoolean(json)),
              c -> c.lshDistinctKeys() ? BooleanNode.TRUE : MissingNode.getInstance()),
          new ConfigField(
              "residual_arithmetic",
              (json, b) ->
                  b.residualArithmetic(ResidualArithmetic.fromConfigName(ConfigField.toText(json))),
              c ->
                  c.residualArithmetic() == ResidualArithmetic.FLOAT
                      ? MissingNode.getInstance()
                      : TextNode.valueOf(c.residualArithmetic().configName())),
          new ConfigField("num_buckets", ConfigFields::readBuckets, ConfigFields::writeBuckets),
          new ConfigField(
              "problem_type",
              (json, b) ->
                  b.problemType(
                      json.isNull()
                          ? Optional.empty()
                          : Optional.of(ProblemType.fromConfigName(ConfigField.toText(json)))),
              c ->
                  c.problemType()
                      .<JsonNode>map(type -> TextNode.valueOf(type.configName()))
                      .orElse(NullNode.instance)));

  private ConfigFields() {}

  /** A choice of the dialect, which is written only where it is not Hugging Face's. */
  private static <E extends Enum<E>> ConfigField choice(
      String name, Class<E> type, Function<Dialect, E> get, BiFunction<Dialect, E, Dialect> with) {
    return new ConfigField(
        name,
        (json, b) ->
            b.dialect(
                with.apply(b.dialect(), Dialect.fromConfigName(type, ConfigField.toText(json)))),
        c ->
            get.apply(c.dialect()) == get.apply(Dialect.HUGGING_FACE)
                ? MissingNode.getInstance()
                : TextNode.valueOf(Dialect.configName(get.apply(c.dialect()))));
  }

  /** null stands for automatic, a number for itself, a list for factors. */
  private static void readBuckets(JsonNode json, ReformerConfigBuilder builder) {
    if (json.isNull()) {
      builder.numBuckets(List.of());
    } else if (json.isArray()) {
      ConfigField.require(!json.isEmpty(), "null, an integer or a list of integers", json);
      builder.numBuckets(ConfigField.toList(json, ConfigField::toInt));
    } else {
      builder.numBuckets(ConfigField.toInt(json));
    }
  }

  private static JsonNode writeBuckets(ReformerConfig config) {
    List<Integer> factors = config.numBuckets();
    return switch (factors.size()) {
      case 0 -> NullNode.instance;
      case 1 -> IntNode.valueOf(factors.get(0));
      default -> ConfigField.array(factors, IntNode::valueOf);
    };
  }
}
