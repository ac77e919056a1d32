package org.reformer4j.model;

import java.util.ArrayList;
import java.util.List;
import org.reformer4j.api.EmbeddingSpec;
import org.reformer4j.api.EmbeddingSpec.Axis;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;

/** Token rows plus axial or learned position rows (Hugging Face's ReformerEmbeddings). */
final class Embeddings {
  private final ReformerConfig config;
  private final Parameter tokens;
  private final List<Parameter> tables = new ArrayList<>();
  private final List<Axis> axes = new ArrayList<>();

  Embeddings(ReformerConfig config, String prefix, ParameterSet parameters) {
    this.config = config;
    Initializer normal = Initializer.normal(config.initializerRange());
    tokens =
        parameters.declare(
            prefix + "word_embeddings.weight", normal, config.vocabSize(), config.hiddenSize());
    String positions = prefix + "position_embeddings.";
    if (!config.axialPosEmbds()) {
      int size = config.maxPositionEmbeddings();
      axes.add(new Axis(size, config.hiddenSize(), 1));
      tables.add(
          parameters.declare(positions + "embedding.weight", normal, size, config.hiddenSize()));
      return;
    }
    List<Integer> shape = config.axialPosShape();
    int stride = config.maxPositions();
    for (int axis = 0; axis < shape.size(); axis++) {
      stride /= shape.get(axis);
      int width = config.axialPosEmbdsDim().get(axis);
      axes.add(new Axis(shape.get(axis), width, stride));
      long[] dims = new long[shape.size() + 1];
      java.util.Arrays.fill(dims, 1);
      dims[axis] = shape.get(axis);
      dims[shape.size()] = width;
      tables.add(
          parameters.declare(
              positions + "weights." + axis, Initializer.normal(config.axialNormStd()), dims));
    }
  }

  /**
   * Writes the embedded batch.
   *
   * @param out [N, D]
   * @param ids I32 [N]
   * @param positions I32 [N]
   */
  void forward(Tensor out, Tensor ids, Tensor positions, Pass pass) {
    pass.backend()
        .embed(
            out,
            ids,
            positions,
            tokens.value(),
            tables.stream().map(p -> matrix(p, p.value())).toList(),
            spec(pass));
  }

  /** Adds the gradients of the tables. */
  void backward(Tensor dOut, Tensor ids, Tensor positions, Pass pass) {
    pass.backend()
        .embedBackward(
            tokens.gradient(),
            tables.stream().map(p -> matrix(p, p.gradient())).toList(),
            dOut,
            ids,
            positions,
            spec(pass));
  }

  /** The axes of size 1 in Hugging Face's axial weights carry nothing. */
  private static Tensor matrix(Parameter parameter, Tensor tensor) {
    return tensor.reshape(parameter.shape().rows(), parameter.shape().columns());
  }

  private EmbeddingSpec spec(Pass pass) {
    return new EmbeddingSpec(
        axes,
        pass.dropout(config.hiddenDropoutProb(), 0, RandomPurpose.TOKEN_EMBEDDING),
        pass.dropout(config.hiddenDropoutProb(), 0, RandomPurpose.POSITION_EMBEDDING),
        pass.sequences().stride());
  }
}
