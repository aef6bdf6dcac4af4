package org.infinilm.svc.evaluation;

import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.simulator.LeapSettings;

/// How much one instance had to do in a run.
///
/// @param requests that it answered
/// @param atOnce how many there were at it on average, those that waited for it included
record Share(String instance, boolean isStatic, int requests, double atOnce) {
  static List<Share> of(Outcome o, FleetPlan plan, double spanNanos) {
    List<Share> out = new ArrayList<>();
    for (int n = 0; n < plan.nodes().size(); n++) {
      int requests = 0;
      double held = 0;
      for (int k = 0; k < o.node.length; k++) {
        if (o.node[k] == n && o.last[k] > 0) {
          requests++;
          held += o.whole(k);
        }
      }
      Node node = plan.nodes().get(n);
      boolean serial = node.engine().kind() == LeapSettings.Kind.STATIC;
      out.add(new Share(node.name(), serial, requests, held / Math.max(1, spanNanos)));
    }
    return out;
  }
}
