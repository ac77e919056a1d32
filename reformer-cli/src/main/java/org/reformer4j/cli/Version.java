package org.reformer4j.cli;

import picocli.CommandLine.IVersionProvider;

/** Version of the library, from the jar's manifest. */
final class Version implements IVersionProvider {
  @Override
  public String[] getVersion() {
    return new String[] {"reformer " + library(), "Java " + Runtime.version()};
  }

  static String library() {
    String version = Version.class.getPackage().getImplementationVersion();
    return version == null ? "(unpackaged classes)" : version;
  }
}
