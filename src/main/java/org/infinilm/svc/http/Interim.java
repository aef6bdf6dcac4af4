package org.infinilm.svc.http;

/// An informational answer (RFC 9110 section 15.2), which goes before the answer itself.
///
/// @param head of 1xx, but for 101
record Interim(AnswerHead head) {}
