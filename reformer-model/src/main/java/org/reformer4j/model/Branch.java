package org.reformer4j.model;

import org.reformer4j.api.Tensor;

/**
 * f in acc += f(ctx): one half of a reversible layer. Stateless between calls; what the backward
 * pass needs is returned and handed back.
 *
 * <p>f sees its input only normalised, and the stream that it changes is the input of the branch
 * that comes next, in either direction. So each branch gets its normalised input and leaves that of
 * the next one, which it can compute while it has the stream at hand; see {@link NormalRows}.
 */
interface Branch {
  /**
   * What a branch wants back.
   *
   * @param order I32 [B, H, R, T] of an LSH layer, or null: a decision that a recomputation from
   *     drifting floats could take otherwise
   * @param out [N, H*K], output of the attention, or null
   * @param lse [B, H, T], its log-sum-exp, or null
   * @param addend [N, D], f(ctx) before bias and dropout, or null
   */
  record Saved(Tensor order, Tensor out, Tensor lse, Tensor addend) {
    static final Saved NOTHING = new Saved(null, null, null, null);

    static Saved addend(Tensor addend) {
      return new Saved(null, null, null, addend);
    }
  }

  /** Returns the norm of the branch's input. */
  Norm norm();

  /**
   * acc += f(ctx).
   *
   * @param acc [N, D]
   * @param normal {@link #norm} of ctx; {@code next} of acc is left there
   * @param next norm of the branch that reads acc, or null for none
   * @param pass the pass
   * @return what {@link #inverse} and {@link #backward} need and the pass's plan keeps, in the
   *     pass's scope
   */
  Saved forward(Tensor acc, NormalRows normal, Norm next, Pass pass);

  /**
   * acc -= f(ctx).
   *
   * @param acc [N, D]
   * @param normal {@link #norm} of ctx; {@code next} of acc is left there
   * @param next norm of the branch that reads acc, or null for none
   * @param saved what forward returned
   * @param pass the pass
   */
  void inverse(Tensor acc, NormalRows normal, Norm next, Saved saved, Pass pass);

  /**
   * acc -= f(ctx), dCtx += gradient through f, parameter gradients += ...; f is recomputed once.
   *
   * @param acc [N, D]
   * @param normal {@link #norm} of ctx; {@code next} of acc is left there
   * @param next norm of the branch that reads acc, or null for none
   * @param dAcc [N, D], gradient of acc; stays what it is
   * @param dCtx += [N, D]
   * @param saved what forward returned; used up
   * @param pass the pass
   */
  void backward(
      Tensor acc, NormalRows normal, Norm next, Tensor dAcc, Tensor dCtx, Saved saved, Pass pass);

  /**
   * acc += f(ctx) for the tokens that a cache is adding to its sequences.
   *
   * @param acc [N, D]
   * @param normal {@link #norm} of ctx; {@code next} of acc is left there
   * @param next norm of the branch that reads acc, or null for none
   * @param past the tokens before; gets the new ones
   * @param pass the pass, of N sequences of one token
   */
  void decode(Tensor acc, NormalRows normal, Norm next, PastAttention past, Pass pass);
}
