package org.reformer4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.reformer4j.api.LshSelection;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.LshHashing;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ResidualArithmetic;
import org.reformer4j.model.generate.BeamOptions;
import org.reformer4j.model.generate.BeamOptions.EarlyStopping;
import org.reformer4j.model.generate.GenerationOptions;
import org.reformer4j.model.generate.SamplingOptions;
import org.reformer4j.model.train.LearningRate.Schedule;
import org.reformer4j.model.train.OptimizerOptions;
import org.reformer4j.model.train.TrainingOptions;
import picocli.CommandLine;

/** Options become a model and a course. */
class OptionsTest {
  private static <T> T parse(T options, String... args) {
    new CommandLine(CommandLine.Model.CommandSpec.forAnnotatedObject(options))
        .setCaseInsensitiveEnumValuesAllowed(true)
        .parseArgs(args);
    return options;
  }

  private static ReformerConfig config(String... args) {
    return parse(new ModelOptions(), args).config();
  }

  @Test
  void defaultsAreSmallCausalByteModel() {
    ReformerConfig config = config();
    assertTrue(config.isDecoder());
    assertEquals(258, config.vocabSize());
    assertEquals(256, config.maxPositions());
    assertEquals(List.of(16), config.numBuckets());
    assertEquals(32, config.attentionHeadSize());
    assertEquals(LshHashing.INTEGER, config.lshHashing());
    assertEquals(ResidualArithmetic.FIXED_POINT, config.residualArithmetic());
    assertEquals(LshSelection.SORTED, config.lshSelection());
    assertEquals(1, config.lshNumChunksBefore());
  }

  @Test
  void allOptionsReachTheModel() {
    ReformerConfig config =
        config(
            "--layers=lsh,local",
            "--hidden=24",
            "--heads=2",
            "--ff=48",
            "--chunk=8",
            "--local-chunk=7",
            "--buckets=6",
            "--hashes=3",
            "--dropout=0.25",
            "--lsh-hashing=float",
            "--residual-arithmetic=float",
            "--context=64");
    assertEquals(List.of(AttentionKind.LSH, AttentionKind.LOCAL), config.attnLayers());
    assertEquals(LshHashing.FLOAT, config.lshHashing());
    assertEquals(ResidualArithmetic.FLOAT, config.residualArithmetic());
    assertEquals(24, config.hiddenSize());
    assertEquals(12, config.attentionHeadSize());
    assertEquals(48, config.feedForwardSize());
    assertEquals(7, config.localAttnChunkLength());
    assertEquals(8, config.lshAttnChunkLength());
    assertEquals(List.of(6), config.numBuckets());
    assertEquals(3, config.numHashes());
    assertEquals(0.25, config.hiddenDropoutProb());
    assertEquals(64, config.maxPositions());
  }

  /** Buckets of two chunks on average, and a window that holds them. */
  @Test
  void causalSelectionHasDefaultsOfItsOwn() {
    ReformerConfig config = config("--selection=causal", "--chunk=16", "--distinct-keys");
    assertEquals(LshSelection.CAUSAL, config.lshSelection());
    assertTrue(config.lshDistinctKeys());
    assertEquals(List.of(8), config.numBuckets());
    assertEquals(2, config.lshNumChunksBefore());
    assertEquals(256, config.reach());
    // In any order, between options of other groups.
    ReformerConfig mixed =
        config("--selection=causal", "--hidden=64", "--chunks-before=3", "--heads=2");
    assertEquals(LshSelection.CAUSAL, mixed.lshSelection());
    assertEquals(3, mixed.lshNumChunksBefore());
    assertEquals(64, mixed.hiddenSize());
    assertEquals(32, mixed.attentionHeadSize());
  }

  @Test
  void positionsAreAxialWhereChunksDivideTheContext() {
    ReformerConfig axial = config("--context=640", "--local-chunk=32");
    assertTrue(axial.axialPosEmbds());
    assertEquals(List.of(20, 32), axial.axialPosShape());
    ReformerConfig learned = config("--context=650", "--local-chunk=32");
    assertFalse(learned.axialPosEmbds());
    assertEquals(650, learned.maxPositions());
  }

  @Test
  void numberOfLayersAlternates() {
    assertEquals(
        List.of(AttentionKind.LOCAL, AttentionKind.LSH, AttentionKind.LOCAL),
        config("--layers=3").attnLayers());
  }

  @Test
  void courseFollowsTheNumberOfSteps() {
    TrainingOptions options =
        parse(
                new CourseOptions(),
                "--optimizer=adafactor",
                "--schedule=inverse_square_root",
                "--clip=0",
                "--memory-policy=keep_feed_forward",
                "--seed=9")
            .options(1000, 256);
    assertEquals(OptimizerOptions.Kind.ADAFACTOR, options.optimizer().kind());
    assertEquals(0f, options.optimizer().clipNorm());
    assertEquals(Schedule.INVERSE_SQUARE_ROOT, options.rate().schedule());
    assertEquals(1000, options.rate().totalSteps());
    assertEquals(50, options.rate().warmupSteps());
    assertEquals(256, options.batch().contextLength());
    assertEquals(9, options.seed());
    assertEquals(MemoryPolicy.KEEP_FEED_FORWARD, options.memory());
  }

  @Test
  void oneStepIsEnough() {
    TrainingOptions options = parse(new CourseOptions()).options(1, 32);
    assertEquals(0, options.rate().warmupSteps());
    assertEquals(MemoryPolicy.RECOMPUTE, options.memory());
  }

  @Test
  void minutesBecomeSteps() {
    CourseOptions course = parse(new CourseOptions(), "--minutes=1");
    long steps = course.stepsInTime(0.1);
    assertTrue(steps > 400 && steps <= 600, "" + steps);
    assertEquals(1, course.stepsInTime(1e6));
  }

  @Test
  void generationOptionsReachTheGenerator() {
    GenerationOptions drawn =
        parse(
                new GenerationMixin(),
                "--max-new-tokens=50",
                "--min-new-tokens=4",
                "--temperature=1.5",
                "--top-k=7",
                "--top-p=0.9",
                "--min-p=0.1",
                "--typical-p=0.8",
                "--repetition-penalty=1.2",
                "--no-repeat-ngram-size=3",
                "--num-sequences=2",
                "--seed=9",
                "--stop=END",
                "--stop=two words")
            .options();
    assertEquals(new SamplingOptions(1.5, 7, 0.9, 0.1, 0.8, 1.2, 3, 9), drawn.sampling());
    assertEquals(50, drawn.maxNewTokens());
    assertEquals(4, drawn.minNewTokens());
    assertEquals(2, drawn.numReturnSequences());
    assertEquals(List.of("END", "two words"), drawn.stopStrings());
    assertEquals(BeamOptions.NONE, drawn.beams());
    GenerationOptions beams =
        parse(
                new GenerationMixin(),
                "--num-beams=4",
                "--num-sequences=3",
                "--length-penalty=-0.5",
                "--early-stopping=when_full")
            .options();
    assertEquals(new BeamOptions(4, -0.5, EarlyStopping.WHEN_FULL), beams.beams());
    assertTrue(beams.sampling().greedy());
    assertEquals(0.8, parse(new GenerationMixin()).options().sampling().temperature());
    assertTrue(parse(new GenerationMixin(), "--greedy").options().sampling().greedy());
  }

  @Test
  void wordsAreQuotedForTheShell() {
    assertEquals("runs/first", RunFolder.quote("runs/first"));
    assertEquals("'my book.txt'", RunFolder.quote("my book.txt"));
    assertEquals("'it'\\''s'", RunFolder.quote("it's"));
  }
}
