package org.reformer4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.ReformerConfig;
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
            "--context=64");
    assertEquals(List.of(AttentionKind.LSH, AttentionKind.LOCAL), config.attnLayers());
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
  void wordsAreQuotedForTheShell() {
    assertEquals("runs/first", RunFolder.quote("runs/first"));
    assertEquals("'my book.txt'", RunFolder.quote("my book.txt"));
    assertEquals("'it'\\''s'", RunFolder.quote("it's"));
  }
}
