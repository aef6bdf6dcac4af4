package org.infinilm.svc.http;

/// One header field as sent; names compare without case.
public record Header(String name, String value) {}
