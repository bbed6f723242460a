"""Cases, traces, tolerance and verdicts: the same weights and inputs into every implementation, then tensor by tensor."""
