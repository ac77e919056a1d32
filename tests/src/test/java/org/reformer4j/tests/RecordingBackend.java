package org.reformer4j.tests;

import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.Recording;

/**
 * A backend that says that it gains by recordings, or that it does not, whatever the one behind it
 * says; counts them, and fails where it is told to.
 */
final class RecordingBackend {
  private final Backend backend;
  private final boolean records;
  private final Backend proxy;
  private int recordings;
  private int replays;
  private String failing = "";
  private BackendException failure;

  RecordingBackend(Backend backend, boolean records) {
    this.backend = backend;
    this.records = records;
    this.proxy =
        (Backend)
            Proxy.newProxyInstance(
                Backend.class.getClassLoader(),
                new Class<?>[] {Backend.class},
                (unused, method, arguments) -> call(method, arguments));
  }

  private Object call(Method method, Object[] arguments) throws Throwable {
    if (method.getName().equals("records")) {
      return records;
    }
    if (method.getName().equals(failing)) {
      failing = "";
      throw failure;
    }
    Object result = RoundingBackend.invoke(backend, method, arguments);
    if (result instanceof Recording recording) {
      recordings++;
      return new Counted(recording);
    }
    return result;
  }

  private final class Counted implements Recording {
    private final Recording recording;

    Counted(Recording recording) {
      this.recording = recording;
    }

    @Override
    public void replay() {
      replays++;
      recording.replay();
    }

    @Override
    public void close() {
      recording.close();
    }
  }

  /** Returns the backend to use. */
  Backend backend() {
    return proxy;
  }

  int recordings() {
    return recordings;
  }

  int replays() {
    return replays;
  }

  /** Lets the next call of a method fail. */
  void failOnce(String method, BackendException with) {
    failing = method;
    failure = with;
  }
}
