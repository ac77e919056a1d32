/**
 * The plain-Java backend: the oracle of all others and the fallback that runs on any JVM.
 *
 * <p>One operation is one file with the name of the native operation. Nothing here is null unless
 * its Javadoc says so; scratch belongs to the operation that made it; an operation is called by one
 * thread and divides its outputs over the backend's {@link org.reformer4j.reference.Workers}.
 *
 * <p>Every sum has one fixed order that depends neither on the number of threads nor on chunk sizes
 * nor on the other rows of the batch, so those change no bit of any result.
 */
package org.reformer4j.reference;
