package org.reformer4j.model.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.reformer4j.model.text.ByteTokenizer;

/** Streams and publishers compute what is asked for, and free what they hold. */
class StreamingTest {
  private static final int[] PROMPT = {90, 100, 110};
  private static final GenerationOptions OPTIONS =
      GenerationOptions.of(12, SamplingOptions.UNCHANGED.withSeed(4));

  private final FakeDecoder.Counts counts = new FakeDecoder.Counts();

  @AfterEach
  void everyDecoderIsClosed() {
    assertEquals(0, counts.open);
  }

  private Generator generator(Function<int[], float[]> model) {
    return new Generator(() -> new FakeDecoder(model, 60, counts), new ByteTokenizer());
  }

  /** Random printable characters. */
  private Generator generator() {
    Function<int[], float[]> model = FakeDecoder.random(120, 2, 2);
    return generator(
        tokens -> {
          float[] logits = model.apply(tokens);
          Arrays.fill(logits, 0, 'a', LogitsProcessor.BARRED);
          return logits;
        });
  }

  /** What the callback gets. */
  private static List<Integer> expected(Generator generator) {
    List<Integer> tokens = new ArrayList<>();
    generator.generate(PROMPT, OPTIONS, tokens::add);
    assertEquals(12, tokens.size());
    return tokens;
  }

  private void assertSteps(int tokens) {
    assertEquals(tokens == 0 ? 0 : PROMPT.length + tokens - 1, counts.appended);
  }

  @Test
  void streamsAreLazyAndEndByThemselves() {
    Generator generator = generator();
    List<Integer> expected = expected(generator);
    counts.appended = 0;
    Iterator<Integer> tokens = generator.tokenStream(PROMPT, OPTIONS).iterator();
    assertSteps(0);
    assertEquals(0, counts.open);
    for (int i = 0; i < 12; i++) {
      assertEquals(expected.get(i), tokens.next());
      assertSteps(i + 1);
      assertEquals(i < 11 ? 1 : 0, counts.open, "the last token is known to be the last");
    }
    assertFalse(tokens.hasNext());
    assertEquals(expected, generator.tokenStream(PROMPT, OPTIONS).toList());
    assertEquals(expected, generator.tokenStream(PROMPT, OPTIONS).parallel().toList());
    Generation text = generator.generate(PROMPT, OPTIONS).get(0);
    assertEquals(text.text(), String.join("", generator.textStream(PROMPT, OPTIONS).toList()));
    assertEquals(12, text.text().length());
  }

  @Test
  void closingStreamsFreesTheirMemory() {
    try (Stream<Integer> tokens = generator().tokenStream(PROMPT, OPTIONS)) {
      assertEquals(3, tokens.limit(3).toList().size());
      assertSteps(3);
      assertEquals(1, counts.open);
    }
    assertEquals(0, counts.open);
    counts.appended = 0;
    try (Stream<Integer> tokens = generator().tokenStream(PROMPT, OPTIONS)) {
      assertTrue(tokens.anyMatch(token -> true));
      assertEquals(1, counts.open);
    }
    assertEquals(0, counts.open);
    assertSteps(1);
    generator().tokenStream(PROMPT, OPTIONS).close();
    assertSteps(1);
  }

  @Test
  void errorsOfTheModelEndStreams() {
    Stream<Integer> tokens =
        generator(
                ids -> {
                  if (ids.length == 5) {
                    throw new ArithmeticException("broken");
                  }
                  return new float[120];
                })
            .tokenStream(PROMPT, OPTIONS);
    Iterator<Integer> iterator = tokens.iterator();
    iterator.next();
    iterator.next();
    assertThrows(ArithmeticException.class, iterator::next);
    assertEquals(0, counts.open);
    Stream<Integer> full = generator().tokenStream(new int[61], OPTIONS);
    assertThrows(IllegalArgumentException.class, full::findFirst);
  }

  /** Takes what comes, and checks the rules of Reactive Streams on the way. */
  private static class Taker<T> implements Flow.Subscriber<T> {
    final List<T> items = new ArrayList<>();
    final CountDownLatch end = new CountDownLatch(1);
    private final AtomicInteger signals = new AtomicInteger();
    Flow.Subscription subscription;
    Throwable error;
    boolean completed;

    void alone(Runnable signal) {
      assertEquals(1, signals.incrementAndGet(), "one signal at a time");
      assertEquals(1, end.getCount(), "nothing comes after the end");
      signal.run();
      signals.decrementAndGet();
    }

    @Override
    public void onSubscribe(Flow.Subscription given) {
      alone(
          () -> {
            assertNull(subscription);
            subscription = given;
          });
    }

    @Override
    public void onNext(T item) {
      alone(() -> items.add(item));
    }

    @Override
    public void onError(Throwable reason) {
      alone(() -> error = reason);
      end.countDown();
    }

    @Override
    public void onComplete() {
      alone(() -> completed = true);
      end.countDown();
    }
  }

  /** An executor that runs when told to. */
  private static final class Later implements Executor {
    private final Deque<Runnable> tasks = new ArrayDeque<>();

    @Override
    public void execute(Runnable task) {
      tasks.add(task);
    }

    void run() {
      while (!tasks.isEmpty()) {
        tasks.remove().run();
      }
    }
  }

  @Test
  void demandIsRespectedOneByOne() {
    Generator generator = generator();
    List<Integer> expected = expected(generator);
    counts.appended = 0;
    Later later = new Later();
    Taker<Integer> taker = new Taker<>();
    generator.tokenPublisher(PROMPT, OPTIONS, later).subscribe(taker);
    assertNull(taker.subscription);
    later.run();
    assertSteps(0);
    for (int i = 0; i < 12; i++) {
      taker.subscription.request(1);
      later.run();
      assertEquals(expected.subList(0, i + 1), taker.items);
      assertSteps(i + 1);
    }
    assertTrue(taker.completed, "without another request");
    taker.subscription.request(1);
    taker.subscription.cancel();
    later.run();
    assertEquals(expected, taker.items);
  }

  @Test
  void demandAddsUpAndEachSubscriberStartsAnew() {
    Generator generator = generator();
    Flow.Publisher<Integer> publisher = generator.tokenPublisher(PROMPT, OPTIONS, Runnable::run);
    List<Integer> expected = expected(generator);
    for (int i = 0; i < 2; i++) {
      Taker<Integer> taker = new Taker<>();
      publisher.subscribe(taker);
      taker.subscription.request(3);
      taker.subscription.request(2);
      assertEquals(expected.subList(0, 5), taker.items);
      taker.subscription.request(Long.MAX_VALUE);
      taker.subscription.request(Long.MAX_VALUE);
      assertEquals(expected, taker.items);
      assertTrue(taker.completed);
    }
  }

  @Test
  void requestsFromWithinDoNotRecurse() {
    GenerationOptions endless = GenerationOptions.of(6_000, SamplingOptions.GREEDY);
    Generator generator = new Generator(() -> new FakeDecoder(ids -> new float[4], 10_000, counts));
    int[] count = {0};
    Flow.Publisher<Integer> publisher = generator.tokenPublisher(PROMPT, endless, Runnable::run);
    publisher.subscribe(
        new Taker<Integer>() {
          @Override
          public void onSubscribe(Flow.Subscription given) {
            super.onSubscribe(given);
            given.request(1);
          }

          @Override
          public void onNext(Integer token) {
            super.onNext(token);
            count[0]++;
            subscription.request(1);
          }
        });
    assertEquals(6_000, count[0]);
  }

  @Test
  void cancellingStopsTheWork() {
    Later later = new Later();
    Taker<Integer> taker = new Taker<>();
    generator().tokenPublisher(PROMPT, OPTIONS, later).subscribe(taker);
    later.run();
    taker.subscription.request(2);
    later.run();
    taker.subscription.request(Long.MAX_VALUE);
    taker.subscription.cancel();
    taker.subscription.cancel();
    later.run();
    assertEquals(2, taker.items.size());
    assertSteps(2);
    assertFalse(taker.completed);
    assertNull(taker.error);
    assertEquals(0, counts.open);
  }

  @Test
  void cancellingFromWithinStopsAtOnce() {
    Taker<Integer> taker =
        new Taker<>() {
          @Override
          public void onNext(Integer token) {
            super.onNext(token);
            subscription.cancel();
          }
        };
    generator().tokenPublisher(PROMPT, OPTIONS, Runnable::run).subscribe(taker);
    taker.subscription.request(9);
    assertEquals(1, taker.items.size());
    assertSteps(1);
    assertEquals(0, counts.open);
  }

  @Test
  void errorsAreSignalled() {
    ArithmeticException broken = new ArithmeticException("broken");
    Generator generator =
        generator(
            ids -> {
              if (ids.length == 5) {
                throw broken;
              }
              return new float[120];
            });
    Taker<Integer> taker = new Taker<>();
    generator.tokenPublisher(PROMPT, OPTIONS, Runnable::run).subscribe(taker);
    taker.subscription.request(2);
    assertNull(taker.error);
    taker.subscription.request(2);
    assertSame(broken, taker.error);
    assertEquals(2, taker.items.size());

    Taker<Integer> full = new Taker<>();
    generator.tokenPublisher(new int[61], OPTIONS, Runnable::run).subscribe(full);
    full.subscription.request(1);
    assertInstanceOf(IllegalArgumentException.class, full.error);

    Taker<Integer> none = new Taker<>();
    generator.tokenPublisher(PROMPT, OPTIONS, Runnable::run).subscribe(none);
    none.subscription.request(1);
    none.subscription.request(0);
    none.subscription.request(1);
    assertInstanceOf(IllegalArgumentException.class, none.error);
    assertEquals(1, none.items.size());
    assertThrows(
        NullPointerException.class,
        () -> generator.tokenPublisher(PROMPT, OPTIONS, Runnable::run).subscribe(null));
  }

  @Test
  void subscribersThatThrowCountAsCancelled() {
    Later later = new Later();
    Taker<Integer> taker =
        new Taker<>() {
          @Override
          public void onNext(Integer token) {
            throw new ArithmeticException("mine");
          }
        };
    generator().tokenPublisher(PROMPT, OPTIONS, later).subscribe(taker);
    later.run();
    taker.subscription.request(5);
    assertThrows(ArithmeticException.class, later::run);
    assertEquals(0, counts.open);
    taker.subscription.request(5);
    taker.subscription.cancel();
    later.run();
    assertSteps(1);
    assertNull(taker.error);
  }

  @Test
  void executorsThatRefuseAreSignalled() {
    ExecutorService executor = Executors.newSingleThreadExecutor();
    Flow.Publisher<Integer> publisher = generator().tokenPublisher(PROMPT, OPTIONS, executor);
    executor.shutdownNow();
    Taker<Integer> taker = new Taker<>();
    publisher.subscribe(taker);
    assertInstanceOf(RejectedExecutionException.class, taker.error);
    assertEquals(0, taker.items.size());
  }

  @Test
  void cancellingAfterTheExecutorHasEndedFreesTheMemory() throws InterruptedException {
    ExecutorService executor = Executors.newSingleThreadExecutor();
    CountDownLatch first = new CountDownLatch(1);
    Taker<Integer> taker =
        new Taker<>() {
          @Override
          public void onSubscribe(Flow.Subscription given) {
            super.onSubscribe(given);
            given.request(1);
          }

          @Override
          public void onNext(Integer token) {
            super.onNext(token);
            first.countDown();
          }
        };
    generator().tokenPublisher(PROMPT, OPTIONS, executor).subscribe(taker);
    assertTrue(first.await(20, TimeUnit.SECONDS));
    executor.shutdown();
    assertTrue(executor.awaitTermination(20, TimeUnit.SECONDS));
    assertEquals(1, counts.open);
    taker.subscription.cancel();
    assertEquals(0, counts.open);
    assertNull(taker.error);
  }

  @Test
  void textIsPublishedFromAnotherThread() throws InterruptedException {
    Generator generator = generator();
    GenerationOptions options =
        OPTIONS.withStopStrings("zz").withStopTokens(Set.of('y' + ByteTokenizer.OFFSET));
    List<String> expected = generator.textStream(PROMPT, options).toList();
    ExecutorService executor = Executors.newSingleThreadExecutor();
    try {
      Taker<String> taker = new Taker<>();
      CountDownLatch subscribed = new CountDownLatch(1);
      generator
          .textPublisher(PROMPT, options, executor)
          .subscribe(
              new Taker<String>() {
                @Override
                public void onSubscribe(Flow.Subscription given) {
                  taker.onSubscribe(given);
                  subscribed.countDown();
                }

                @Override
                public void onNext(String piece) {
                  assertFalse(Thread.currentThread().getName().equals("main"));
                  taker.onNext(piece);
                }

                @Override
                public void onComplete() {
                  taker.onComplete();
                }

                @Override
                public void onError(Throwable reason) {
                  taker.onError(reason);
                }
              });
      assertTrue(subscribed.await(20, TimeUnit.SECONDS));
      for (int i = 0; i < 40; i++) {
        taker.subscription.request(1);
      }
      assertTrue(taker.end.await(20, TimeUnit.SECONDS));
      assertNull(taker.error);
      assertEquals(expected, taker.items);
    } finally {
      executor.shutdown();
      assertTrue(executor.awaitTermination(20, TimeUnit.SECONDS));
    }
  }
}
