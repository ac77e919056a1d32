package org.reformer4j.api;

/**
 * One Adafactor update (Shazeer and Stern 2018), with the step scaled by the parameter's root mean
 * square and without a first moment.
 *
 * @param learningRate relative step size of this update
 * @param decay decay of the second moment in this update, 1 - step^-0.8
 * @param epsilon added to the squared gradient
 * @param minimumScale least value of the parameter's root mean square
 * @param clip largest root mean square of the update before scaling
 * @param weightDecay decoupled decay, multiplied by the learning rate
 * @param gradientScale factor on the gradient before anything else (clipping)
 */
public record AdafactorSpec(
    float learningRate,
    float decay,
    float epsilon,
    float minimumScale,
    float clip,
    float weightDecay,
    float gradientScale) {}
