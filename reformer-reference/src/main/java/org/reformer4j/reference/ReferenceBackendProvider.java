package org.reformer4j.reference;

import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.BackendProvider;
import org.reformer4j.api.BackendStatus;

/** Offers the plain-Java backend, which is usable everywhere. */
public final class ReferenceBackendProvider implements BackendProvider {
  @Override
  public String name() {
    return ReferenceBackend.NAME;
  }

  @Override
  public int preference() {
    return 100;
  }

  @Override
  public BackendStatus probe() {
    return new BackendStatus(
        ReferenceBackend.NAME,
        true,
        "plain Java " + Runtime.version().feature() + " on " + System.getProperty("os.arch"));
  }

  @Override
  public Backend open(BackendOptions options) {
    return new ReferenceBackend(options);
  }
}
