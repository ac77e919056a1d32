package org.reformer4j.model.experiment;

import java.util.Objects;
import org.reformer4j.api.LshSelection;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.LshHashing;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ResidualArithmetic;
import org.reformer4j.model.train.BatchShape;
import org.reformer4j.model.train.Intervals;
import org.reformer4j.model.train.LearningRate;
import org.reformer4j.model.train.OptimizerOptions;
import org.reformer4j.model.train.TrainingOptions;

/**
 * Size of a duplication experiment: models of one LSH layer and how they are trained.
 *
 * @param length T, tokens of a sequence
 * @param hiddenSize D
 * @param heads H, of D/H columns each
 * @param feedForwardSize F
 * @param chunkLength C of LSH attention, less than T
 * @param steps updates of a training
 * @param batch B, sequences of an update
 * @param learningRate peak of the rate, after a warm-up and before a cosine down to a tenth
 * @param evaluationSequences sequences that a cell of the table is measured on
 * @param selection which hashed tokens LSH attention sees
 * @param residualArithmetic in what numbers the residual streams add up
 */
public record DuplicationOptions(
    int length,
    int hiddenSize,
    int heads,
    int feedForwardSize,
    int chunkLength,
    int steps,
    int batch,
    double learningRate,
    int evaluationSequences,
    LshSelection selection,
    ResidualArithmetic residualArithmetic) {
  /** Symbols of w, as in the paper. */
  public static final int SYMBOLS = 127;

  /** A minute for each training on two cores. */
  public static final DuplicationOptions SMALL =
      new DuplicationOptions(
          256, 128, 4, 128, 16, 600, 16, 0.002, 128, LshSelection.SORTED, ResidualArithmetic.FLOAT);

  /**
   * The size of the paper, which does not name chunk, batch and learning rate: 64 sequences are
   * those of the one published replication (arampacha/reformer_fastai), the others a choice.
   */
  public static final DuplicationOptions PAPER =
      new DuplicationOptions(
          1024,
          256,
          4,
          256,
          64,
          150_000,
          64,
          0.001,
          128,
          LshSelection.SORTED,
          ResidualArithmetic.FLOAT);

  private static final long LOG_INTERVAL = 20;
  private static final long EVALUATION_INTERVAL = 200;
  private static final long SAVE_INTERVAL = 5_000;

  /** Checks the ranges that nothing else checks. */
  public DuplicationOptions {
    Objects.requireNonNull(selection, "selection");
    Objects.requireNonNull(residualArithmetic, "residualArithmetic");
    if (heads < 1 || hiddenSize < 1 || hiddenSize % heads != 0) {
      throw new IllegalArgumentException(
          "hiddenSize " + hiddenSize + " must be a positive multiple of heads " + heads);
    }
    if (chunkLength < 1 || chunkLength >= length) {
      throw new IllegalArgumentException(
          "chunkLength must be at least 1 and less than the length "
              + length
              + ", or there is nothing to hash, got "
              + chunkLength);
    }
    if (steps < 1 || evaluationSequences < 1) {
      throw new IllegalArgumentException(
          "steps and evaluationSequences must be positive, got "
              + steps
              + " and "
              + evaluationSequences);
    }
  }

  /** Returns the sequences of a split. */
  public DuplicationTask task(long seed, DuplicationTask.Split split) {
    return new DuplicationTask(length, SYMBOLS, seed, split);
  }

  /**
   * Returns the config of a model with an attention. A bucket holds half a chunk on average and one
   * chunk before is seen, as in Hugging Face; with causal selection it holds two chunks and two
   * before are seen, so that the whole sequence is within reach.
   *
   * @param attention full, or LSH with some number of rounds
   */
  public ReformerConfig config(AttentionSetting attention) {
    ReformerConfig lsh =
        ReformerConfig.builder()
            .attnLayers(AttentionKind.LSH)
            .hiddenSize(hiddenSize)
            .numAttentionHeads(heads)
            .attentionHeadSize(hiddenSize / heads)
            .feedForwardSize(feedForwardSize)
            .lshAttnChunkLength(chunkLength)
            .lshSelection(selection)
            .lshNumChunksBefore(selection.usualChunksBefore())
            .lshHashing(LshHashing.INTEGER)
            .numBuckets(selection.usualBuckets(length / chunkLength))
            .axialPosEmbds(false)
            .maxPositionEmbeddings(length)
            .vocabSize(SYMBOLS + 1)
            .isDecoder(true)
            .hiddenDropoutProb(0)
            .residualArithmetic(residualArithmetic)
            .build();
    return attention.applyTo(lsh, length);
  }

  /** Returns the course of a training. */
  public TrainingOptions training(long seed) {
    return new TrainingOptions(
        seed,
        new BatchShape(batch, 1, length),
        OptimizerOptions.adamW(),
        new LearningRate(
            LearningRate.Schedule.COSINE, learningRate, learningRate / 10, steps / 20, steps),
        new Intervals(LOG_INTERVAL, EVALUATION_INTERVAL, SAVE_INTERVAL, batch));
  }
}
