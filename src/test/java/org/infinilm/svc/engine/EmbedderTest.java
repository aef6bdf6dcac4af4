package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/// How texts become batches and batches vectors, on a context that counts.
class EmbedderTest {
  private static final int BATCH = 8;
  private static final Llama.Layout LAYOUT = new Llama.Layout(32, BATCH, BATCH, 3, 1, false, false);

  /// A token's vector is its id and its position; batches are noted as `sequence:token@position`.
  private static final class Counting implements TokenEmbeddings {
    final List<String> batches = new ArrayList<>();
    private final List<double[]> rows = new ArrayList<>();
    int width = 2;
    boolean failing;
    boolean nonsense;
    Runnable before = () -> {};

    @Override
    public int width() {
      return width;
    }

    @Override
    public void clear() {
      batches.add("|");
    }

    @Override
    public boolean compute(Batch b) {
      before.run();
      rows.clear();
      List<String> said = new ArrayList<>();
      for (int i = 0; i < b.size; i++) {
        assertThat(b.logits[i]).isTrue();
        said.add(b.sequences[i] + ":" + b.tokens[i] + "@" + b.positions[i]);
        rows.add(new double[] {nonsense ? Double.NaN : b.tokens[i], b.positions[i]});
      }
      batches.add(String.join(" ", said));
      return !failing;
    }

    @Override
    public void addTo(double[] sum, int index) {
      sum[0] += rows.get(index)[0];
      sum[1] += rows.get(index)[1];
    }
  }

  private final Counting context = new Counting();
  private final Embedder embedder =
      new Embedder(context, LAYOUT, new EngineMetrics("m", true, 16, 2));

  private static int[] of(int token, int count) {
    return Collections.nCopies(count, token).stream().mapToInt(Integer::intValue).toArray();
  }

  private EmbeddingJob job(int[]... inputs) {
    return embedder.submit(List.of(inputs)).orElseThrow();
  }

  /// Steps of one job to its end.
  private static int steps(Embedder embedder, EmbeddingJob job) throws InterruptedException {
    int steps = 0;
    while (!job.left().isEmpty()) {
      embedder.step(job);
      steps++;
    }
    assertThat(job.await()).isEqualTo(EmbeddingJob.End.DONE);
    return steps;
  }

  @Test
  void shortTextsShareABatchAsSequencesOfTheirOwn() throws Exception {
    EmbeddingJob job = job(of(3, 2), of(4, 1), of(5, 3), of(6, 1));
    assertThat(steps(embedder, job)).isEqualTo(2);
    assertThat(context.batches)
        .as("three sequences at most")
        .containsExactly("|", "0:3@0 0:3@1 1:4@0 2:5@0 2:5@1 2:5@2", "|", "0:6@0");
    assertThat(job.vectors()[1]).containsExactly(1, 0);
    assertThat(job.vectors()[0])
        .containsExactly((float) (6 / Math.sqrt(37)), (float) (1 / Math.sqrt(37)));
  }

  @Test
  void aTextThatIsLongerGoesAloneBehindWhatThereIsOfIt() throws Exception {
    EmbeddingJob job = job(of(1, 7), of(2, 2), of(1, 10), of(3, 8));
    assertThat(steps(embedder, job)).isEqualTo(4);
    assertThat(context.batches.get(5)).startsWith("0:1@0").endsWith("0:1@7");
    assertThat(context.batches.get(6)).isEqualTo("0:1@8 0:1@9");
    double length = Math.hypot(10, 45);
    assertThat(job.vectors()[2]).containsExactly((float) (10 / length), (float) (45 / length));
  }

  @Test
  void aTextWithoutDirectionStaysWithoutOne() throws Exception {
    EmbeddingJob job = job(of(0, 1));
    steps(embedder, job);
    assertThat(job.vectors()[0]).containsExactly(0, 0);
  }

  @Test
  void requestsTakeTurnsGroupByGroup() throws Exception {
    EmbeddingJob large = job(of(1, 8), of(1, 8), of(1, 8));
    EmbeddingJob small = job(of(2, 1));
    embedder.start();
    assertThat(small.await()).isEqualTo(EmbeddingJob.End.DONE);
    assertThat(large.await()).isEqualTo(EmbeddingJob.End.DONE);
    embedder.stop();
    assertThat(context.batches.indexOf("0:2@0"))
        .as("after one group of the large one")
        .isEqualTo(3);
  }

  @Test
  void whatGoesWrongEndsOneRequestAndNoOther() throws Exception {
    EmbeddingJob bad = job(of(1, 1));
    context.failing = true;
    embedder.step(bad);
    assertThat(bad.await()).isEqualTo(EmbeddingJob.End.FAILED);
    context.failing = false;
    context.nonsense = true;
    EmbeddingJob worse = job(of(1, 1));
    embedder.step(worse);
    assertThat(worse.await()).isEqualTo(EmbeddingJob.End.FAILED);
    context.nonsense = false;
    steps(embedder, job(of(1, 1)));
  }

  @Test
  void aClientThatLeavesEndsItsRequestBetweenTwoBatches() throws Exception {
    EmbeddingJob job = job(of(1, 30));
    context.before = job::cancel;
    embedder.step(job);
    assertThat(job.await()).isEqualTo(EmbeddingJob.End.CANCELLED);
    assertThat(context.batches).as("one of four batches").hasSize(2);
    EmbeddingJob early = job(of(1, 1));
    early.cancel();
    embedder.step(early);
    assertThat(early.await()).isEqualTo(EmbeddingJob.End.CANCELLED);
  }

  @Test
  void whatWaitsIsToldWhenTheEngineEndsAndNothingIsTakenAfterwards() throws Exception {
    EmbeddingJob job = job(of(1, 8), of(1, 8));
    Thread[] stopping = new Thread[1];
    context.before =
        () -> {
          if (stopping[0] == null) {
            stopping[0] =
                Thread.ofPlatform()
                    .start(() -> {
                      try {
                        embedder.stop();
                      } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                      }
                    });
            while (!Thread.currentThread().isInterrupted()) {
              Thread.onSpinWait();
            }
          }
        };
    embedder.start();
    assertThat(job.await()).isEqualTo(EmbeddingJob.End.STOPPED);
    stopping[0].join();
    long held = embedder.heldValues();
    EmbeddingJob late = job(of(1, 1));
    assertThat(late.await()).as("not that too many wait").isEqualTo(EmbeddingJob.End.STOPPED);
    embedder.release(late);
    assertThat(embedder.heldValues()).isEqualTo(held);
  }

  @Test
  void theRequestsThatWaitAndTheirVectorsAreBounded() {
    for (int i = 0; i < Embedder.MOST_WAITING; i++) {
      assertThat(embedder.submit(List.of(of(1, 1)))).isPresent();
    }
    assertThat(embedder.submit(List.of(of(1, 1)))).isEmpty();
    context.width = (int) Embedder.MOST_VALUES / 2;
    Embedder wide = new Embedder(context, LAYOUT, new EngineMetrics("m", true, 16, 2));
    EmbeddingJob one = wide.submit(List.of(of(1, 1), of(1, 1))).orElseThrow();
    assertThat(wide.submit(List.of(of(1, 1)))).isEmpty();
    assertThat(wide.heldValues()).isEqualTo(Embedder.MOST_VALUES);
    wide.release(one);
    wide.release(one);
    assertThat(wide.heldValues()).as("once a job").isZero();
    assertThat(wide.submit(List.of(of(1, 1)))).isPresent();
  }

  @Test
  void theSecondContextIsSmallAndNoStepOfItIsLargerThanAChunk() {
    Llama.Layout engine = new Llama.Layout(131_072, 512, 512, 8, 2, false, true);
    assertThat(Embedder.layout(engine, 32_768, 0))
        .isEqualTo(new Llama.Layout(2048, 128, 128, 32, 2, false, true));
    assertThat(Embedder.layout(engine, 512, 16))
        .isEqualTo(new Llama.Layout(512, 16, 16, 16, 2, false, true));
  }
}
