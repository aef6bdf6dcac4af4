package org.infinilm.svc.http;

/// The head of an instance's answer.
public interface ResponseHead extends HeadView {
  int status();
}
