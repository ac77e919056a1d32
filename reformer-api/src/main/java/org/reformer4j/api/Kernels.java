package org.reformer4j.api;

import java.util.List;

/**
 * The fused operations that a backend implements. Outputs come first, then inputs, then specs. "+="
 * means that the result is added to what is there; everything else is overwritten.
 *
 * <p>Tensors are F32 unless said otherwise and may be views with a row stride. An output may be the
 * same tensor as an input only where it says so. Wrong shapes give an {@link
 * IllegalArgumentException} before anything is computed.
 */
public interface Kernels {
  /**
   * Matrix product: c = alpha * op(a) * op(b) + beta * c. Where beta is 0, c is not read.
   *
   * @param c [M, N]
   * @param a [M, K], or [K, M] if {@code transposeA}
   * @param transposeA whether a is given transposed
   * @param b [K, N], or [N, K] if {@code transposeB}
   * @param transposeB whether b is given transposed
   * @param alpha factor of the product
   * @param beta factor of the old c
   */
  void gemm(
      Tensor c,
      Tensor a,
      boolean transposeA,
      Tensor b,
      boolean transposeB,
      float alpha,
      float beta);

  /**
   * Adds a row to every row.
   *
   * @param x += [N, D]
   * @param bias [D]
   */
  void addBias(Tensor x, Tensor bias);

  /**
   * Sums the rows: the gradient of {@link #addBias}.
   *
   * @param dBias += [D]
   * @param dX [N, D]
   */
  void biasGradient(Tensor dBias, Tensor dX);

  /**
   * Multiplies by a dropout mask in place; also its own backward pass.
   *
   * @param x [N, D]
   * @param dropout the mask; element (firstRow + row)*D + column
   */
  void dropout(Tensor x, Dropout dropout);

  /**
   * Token rows plus position rows (Hugging Face's ReformerEmbeddings).
   *
   * @param out [N, D]
   * @param ids I32 [N], each in 0..V-1
   * @param positions I32 [N]
   * @param tokens [V, D]
   * @param tables one [size, width] per axis of the spec
   * @param spec positions and dropout
   */
  void embed(
      Tensor out,
      Tensor ids,
      Tensor positions,
      Tensor tokens,
      List<Tensor> tables,
      EmbeddingSpec spec);

  /**
   * Gradient of {@link #embed}, summed in the order of the rows.
   *
   * @param dTokens += [V, D]
   * @param dTables += one [size, width] per axis
   * @param dOut [N, D]
   * @param ids I32 [N]
   * @param positions I32 [N]
   * @param spec positions and dropout
   */
  void embedBackward(
      Tensor dTokens,
      List<Tensor> dTables,
      Tensor dOut,
      Tensor ids,
      Tensor positions,
      EmbeddingSpec spec);

  /**
   * Layer normalisation over the columns, with the biased variance.
   *
   * @param out [N, D]; may be x
   * @param x F32 or FIXED [N, D]
   * @param gain [D]
   * @param bias [D]
   * @param epsilon added to the variance
   */
  void layerNorm(Tensor out, Tensor x, Tensor gain, Tensor bias, float epsilon);

  /**
   * Gradient of {@link #layerNorm}; the statistics are recomputed.
   *
   * @param dX += [N, D]
   * @param dGain += [D]
   * @param dBias += [D]
   * @param dOut [N, D]
   * @param x F32 or FIXED [N, D]
   * @param gain [D]
   * @param epsilon added to the variance
   */
  void layerNormBackward(
      Tensor dX, Tensor dGain, Tensor dBias, Tensor dOut, Tensor x, Tensor gain, float epsilon);

  /**
   * The reversible step: acc += sign * dropout(y + bias). Sign +1 is the forward pass, -1 the
   * inverse recomputation.
   *
   * <p>On a FIXED stream the addend, computed as a float, is rounded by {@link FixedPoint} and the
   * sum is exact, so that sign -1 restores every bit. An addend or sum out of range is saturated, a
   * NaN counts as 0, and either is reported: by this operation, or by the next one that waits for
   * the device.
   *
   * @param acc += F32 or FIXED [N, D], a residual stream
   * @param y [N, D], the branch's output
   * @param bias [D] or null
   * @param sign +1 or -1
   * @param dropout of the branch's output; element (firstRow + row)*D + column
   * @throws BackendException not fatal, if a FIXED stream left its range; acc has been changed. It
   *     names the {@link Backend#place}
   */
  void residual(Tensor acc, Tensor y, Tensor bias, int sign, Dropout dropout);

  /**
   * {@link #residual}, then {@link #layerNorm} of the result, with the same bits as one after the
   * other: the forward pass (sign +1) or the inverse recomputation (sign -1) up to the input of the
   * next branch.
   *
   * @param out [N, D], LayerNorm(acc); not acc or y
   * @param acc += F32 or FIXED [N, D], a residual stream
   * @param y [N, D], the branch's output
   * @param bias [D] or null, added to y
   * @param sign +1 or -1
   * @param dropout of the branch's output; element (firstRow + row)*D + column
   * @param gain [D]
   * @param normBias [D], of the norm
   * @param epsilon added to the variance
   * @throws BackendException as {@link #residual} does
   */
  void residualNorm(
      Tensor out,
      Tensor acc,
      Tensor y,
      Tensor bias,
      int sign,
      Dropout dropout,
      Tensor gain,
      Tensor normBias,
      float epsilon);

  /**
   * The inverse recomputation with the gradient: {@link #residual} with sign -1, then {@link
   * #residualBackward}, with the same bits as one after the other.
   *
   * @param acc += F32 or FIXED [N, D], a residual stream; dropout(y + bias) is subtracted
   * @param dY [N, D]; may be y; may be dAcc only where there is no dropout
   * @param dBias += [D], or null
   * @param y [N, D], the branch's output
   * @param bias [D] or null
   * @param dAcc [N, D]
   * @param dropout of the branch's output; element (firstRow + row)*D + column
   * @throws BackendException as {@link #residual} does
   */
  void residualInverse(
      Tensor acc, Tensor dY, Tensor dBias, Tensor y, Tensor bias, Tensor dAcc, Dropout dropout);

  /**
   * Gradient of {@link #residual} with respect to y and bias.
   *
   * @param dY [N, D]; may be dAcc only where there is no dropout
   * @param dBias += [D], or null
   * @param dAcc [N, D]
   * @param dropout of the branch's output
   */
  void residualBackward(Tensor dY, Tensor dBias, Tensor dAcc, Dropout dropout);

  /**
   * Bucket numbers of all tokens: per factor the argmax of [xR; -xR], first maximum wins, combined
   * as b0 + f0*b1 + f0*f1*b2 (ReformerLSHSelfAttention._hash_vectors). Masked tokens and the rows
   * behind a sequence get the padding bucket, number {@link HashSpec#buckets}.
   *
   * <p>Rotations of I8 ask for integer hashing, whose buckets do not depend on any float sum. With
   * m the largest |x_k| of a token and head, NaN left out, E = max(-114, floor(log2 m)) by the
   * exponent bits (128 for infinity), and q_k = rint(x_k * 2^(13-E)), halves to even, limited to
   * +-16384, NaN as 0, the products are sums of q_k * r_k in int32. All zeros give bucket 0. K is
   * at most 128.
   *
   * @param buckets I32 [B, H, R, T], without round offsets
   * @param queryKeys [N, H*K]
   * @param rotations F32 [H, K, R * rotationColumns] or I8 [H, R * rotationColumns, K]
   * @param keyMask I32 [B, T], 0 = masked, or null
   * @param spec rows, heads
   * @param hash rounds and factors
   */
  void lshBuckets(
      Tensor buckets,
      Tensor queryKeys,
      Tensor rotations,
      Tensor keyMask,
      AttentionSpec spec,
      HashSpec hash);

  /**
   * Stable sort of the positions of each sequence, head and round: first the sequence's own, 0 ..
   * length-1, by ascending bucket with ties in the original order, then the rows behind it, length
   * .. T-1, as they stand.
   *
   * @param order I32 [B, H, R, T]
   * @param buckets I32 [B, H, R, T], each in 0..{@link HashSpec#buckets}, the padding bucket
   *     included; those of rows behind a sequence are not read
   * @param sequences lengths; B and T
   * @param hash rounds R and number of buckets
   */
  void lshSort(Tensor order, Tensor buckets, Sequences sequences, HashSpec hash);

  /**
   * Lays sorted positions out in runs of chunks, where {@link HashSpec#usesRuns}: those of a bucket
   * each with {@link LshSelection#CAUSAL}, all of a sequence in one run otherwise.
   *
   * @param runs I32 [B, H, R, E], see {@link RunLayout}
   * @param order I32 [B, H, R, T] from {@link #lshSort} of the buckets
   * @param buckets I32 [B, H, R, T], those that were sorted
   * @param spec chunks and sequences, with the places of {@link HashSpec#places}
   * @param hash rounds, buckets and selection
   */
  void lshRuns(Tensor runs, Tensor order, Tensor buckets, AttentionSpec spec, HashSpec hash);

  /**
   * Shared-QK attention over tokens sorted by bucket, all rounds combined as one softmax
   * (ReformerLSHSelfAttention). Keys are unit vectors, a token attends to itself only where nothing
   * else is left. Rows behind a sequence get zeros.
   *
   * @param out [N, H*K]
   * @param lse [B, H, T], log-sum-exp over all rounds; minus infinity where only the token itself
   *     was left
   * @param queryKeys [N, H*K]
   * @param values [N, H*K]
   * @param order I32 [B, H, R, T] from {@link #lshSort}, or [B, H, R, E] from {@link #lshRuns}
   *     where the hash uses runs; not read for short sequences, null where all are. The first
   *     length entries of a sorted segment count and list every position of the sequence once; what
   *     lies behind them is not read
   * @param keyMask I32 [B, T], 0 = masked, or null
   * @param headMask [H], factors on the heads' outputs, or null
   * @param spec chunks and masks, with the places of {@link HashSpec#places}
   * @param hash rounds, factors and selection
   */
  void lshAttention(
      Tensor out,
      Tensor lse,
      Tensor queryKeys,
      Tensor values,
      Tensor order,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      HashSpec hash);

  /**
   * Gradient of {@link #lshAttention} from its output, log-sum-exp and output gradient.
   *
   * @param dQueryKeys [N, H*K]
   * @param dValues [N, H*K]
   * @param dOut [N, H*K]
   * @param out [N, H*K], the forward result
   * @param lse [B, H, T], the forward result
   * @param queryKeys [N, H*K]
   * @param values [N, H*K]
   * @param order that of the forward pass
   * @param keyMask I32 [B, T] or null
   * @param headMask [H] or null
   * @param spec chunks and masks, with the places of {@link HashSpec#places}
   * @param hash rounds, factors and selection
   */
  void lshAttentionBackward(
      Tensor dQueryKeys,
      Tensor dValues,
      Tensor dOut,
      Tensor out,
      Tensor lse,
      Tensor queryKeys,
      Tensor values,
      Tensor order,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      HashSpec hash);

  /**
   * Chunked attention in the original order with separate queries and keys (LocalSelfAttention);
   * keys are divided by sqrt(K). A query whose whole window is masked gets zeros and log-sum-exp
   * minus infinity, as do the rows behind a sequence.
   *
   * @param out [N, H*K]
   * @param lse [B, H, T]
   * @param queries [N, H*K]
   * @param keys [N, H*K]
   * @param values [N, H*K]
   * @param keyMask I32 [B, T], 0 = masked, or null
   * @param headMask [H], factors on the heads' outputs, or null
   * @param spec chunks and masks
   */
  void localAttention(
      Tensor out,
      Tensor lse,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec);

  /**
   * Gradient of {@link #localAttention} from its output, log-sum-exp and output gradient.
   *
   * @param dQueries [N, H*K]
   * @param dKeys [N, H*K]
   * @param dValues [N, H*K]
   * @param dOut [N, H*K]
   * @param out [N, H*K], the forward result
   * @param lse [B, H, T], the forward result
   * @param queries [N, H*K]
   * @param keys [N, H*K]
   * @param values [N, H*K]
   * @param keyMask I32 [B, T] or null
   * @param headMask [H] or null
   * @param spec chunks and masks
   */
  void localAttentionBackward(
      Tensor dQueries,
      Tensor dKeys,
      Tensor dValues,
      Tensor dOut,
      Tensor out,
      Tensor lse,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec);

  /**
   * Attention of one new token per sequence to listed rows of a cache, all rounds as one softmax
   * over the multiset of listed rows. A query that finds nothing gets its own value, or zeros where
   * it has no own row.
   *
   * @param out [B, H*K]
   * @param queries [B, H*K]
   * @param keys [S, H*K]: query-keys where the spec says shared, which become unit vectors; keys
   *     otherwise, which are divided by sqrt(K)
   * @param values [S, H*K]
   * @param rows I32 [B, H, R, W], rows of keys and values in 0..S-1, or -1 for none; a row that is
   *     listed twice counts twice
   * @param own I32 [B], the row of the query's own token, which is skipped where it is listed and
   *     counts only if nothing else is left; or null
   * @param headMask [H], factors on the heads' outputs, or null
   * @param spec extents and the rule of the keys
   */
  void decodeAttention(
      Tensor out,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor rows,
      Tensor own,
      Tensor headMask,
      DecodeSpec spec);

  /**
   * Copies rows to places that the device knows: target[rows[i]] = source[i].
   *
   * @param target [S, C], F32 or BF16; other rows stay what they are
   * @param rows I32 [N], numbers 0..S-1, each at most once
   * @param source [N, C], the type of the target
   */
  void storeRows(Tensor target, Tensor rows, Tensor source);

  /**
   * Enters one new token of each sequence in the tables of an LSH layer, and lists the cached rows
   * that it attends to, round by round, for {@link #decodeAttention}.
   *
   * <p>Positions are sorted by (bucket, position). With {@link LshSelection#CAUSAL} a round lists
   * the chunks of the token's bucket from {@code chunksBefore} before its own one on; otherwise the
   * chunks around the token's own one, counted from rank 0, in a ring: in a short text a position
   * may stand there twice. {@link HashSpec#distinct} rounds form no ring and leave out what an
   * earlier round of the head lists.
   *
   * @param listed I32 [B, H, R, W], receives rows in sorted order, and -1 in what is left
   * @param places I32 [B, C], row of each position, -1 for one that an attention mask hides; gets
   *     the new ones
   * @param buckets I32 [B, H, R, C], bucket of each position, as {@link #lshBuckets} numbers them;
   *     gets the new ones
   * @param ranks I32 [B, H, R, C], earlier positions in the bucket of each; gets the new ones
   * @param counts I32 [B, H, R, buckets + 1], positions in each bucket; gets the new ones
   * @param hashed I32 [1, H, R, B], buckets of the new tokens
   * @param own I32 [B], row of each new token
   * @param lengths I32 [B], tokens of each sequence before, less than C
   * @param spec B sequences of C slots, heads, chunks
   * @param hash rounds, buckets, selection
   */
  void lshDecodeLists(
      Tensor listed,
      Tensor places,
      Tensor buckets,
      Tensor ranks,
      Tensor counts,
      Tensor hashed,
      Tensor own,
      Tensor lengths,
      AttentionSpec spec,
      HashSpec hash);

  /**
   * Chunked feed-forward without its last bias: out = act(dropout(x W1^T + b1)) W2^T. The hidden
   * block of all rows never exists.
   *
   * @param out [N, D]
   * @param x [N, D]
   * @param w1 [F, D]
   * @param b1 [F]
   * @param w2 [D, F]
   * @param spec activation, chunk, dropout
   */
  void feedForward(Tensor out, Tensor x, Tensor w1, Tensor b1, Tensor w2, FeedForwardSpec spec);

  /**
   * Recomputes the hidden block once per chunk and gives both the forward result, which the inverse
   * needs, and the gradients.
   *
   * @param out [N, D], the forward result, or null where it is known: the gradients are the same
   *     bits with one product less
   * @param dX [N, D]
   * @param dW1 += [F, D]
   * @param dB1 += [F]
   * @param dW2 += [D, F]
   * @param dOut [N, D]
   * @param x [N, D]
   * @param w1 [F, D]
   * @param b1 [F]
   * @param w2 [D, F]
   * @param spec activation, chunk, dropout
   */
  void feedForwardBackward(
      Tensor out,
      Tensor dX,
      Tensor dW1,
      Tensor dB1,
      Tensor dW2,
      Tensor dOut,
      Tensor x,
      Tensor w1,
      Tensor b1,
      Tensor w2,
      FeedForwardSpec spec);

  /**
   * Softmax cross-entropy with its gradient. Called per chunk of rows, so that logits of the whole
   * sequence need not exist.
   *
   * @param loss [N], -log p(target) per row, 0 where the target is ignored
   * @param dLogits [N, V], scale * (softmax - onehot), 0 where ignored; may be logits; or null
   * @param logits [N, V]
   * @param targets I32 [N]
   * @param ignoreIndex target value of rows that do not count
   * @param scale factor on the gradient
   */
  void crossEntropy(
      Tensor loss, Tensor dLogits, Tensor logits, Tensor targets, int ignoreIndex, float scale);

  /**
   * Waits for the device and returns the sum of the squares of all elements, in double and in a
   * fixed order.
   *
   * @param x any shape
   */
  double sumOfSquares(Tensor x);

  /**
   * Updates a parameter in place.
   *
   * @param parameter any shape
   * @param gradient the same number of elements
   * @param first first moment, updated
   * @param second second moment, updated
   * @param spec rates
   */
  void adamW(Tensor parameter, Tensor gradient, Tensor first, Tensor second, AdamWSpec spec);

  /**
   * Updates a parameter in place. The second moment of a matrix is kept as row and column means, of
   * a vector as a whole.
   *
   * @param parameter [M, N] or [M]
   * @param gradient the same shape
   * @param rowMoments [M], updated
   * @param columnMoments [N], updated; null for vectors
   * @param spec rates
   */
  void adafactor(
      Tensor parameter,
      Tensor gradient,
      Tensor rowMoments,
      Tensor columnMoments,
      AdafactorSpec spec);
}
