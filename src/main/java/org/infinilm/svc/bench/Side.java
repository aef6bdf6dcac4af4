package org.infinilm.svc.bench;

/// The two sides of a comparison by cache type; the first is the baseline.
enum Side {
  PAGED("paged", "Paged Cache"),
  STATIC("static", "Static Cache");

  private final String label;
  private final String title;

  Side(String label, String title) {
    this.label = label;
    this.title = title;
  }

  String label() {
    return label;
  }

  String title() {
    return title;
  }
}
