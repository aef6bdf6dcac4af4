package org.infinilm.svc.evaluation;

import java.util.SplittableRandom;
import org.infinilm.svc.policy.Policy;

/// One of the routers before a fleet: what it alone knows, and what it was told by others.
record OneRouter(Policy policy, Ledger ledger, Estimates estimates, SplittableRandom random) {}
