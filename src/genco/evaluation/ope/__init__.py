"""Off-policy evaluation: what a policy would have earned, from a log another one collected.

One estimator a file, each a frozen record of sums: `update` adds rows, `+` adds shards, `value` divides. Intervals are
records of their own (`empirical_likelihood`, `poisson_bootstrap`) and refuse where the log says too little.
"""

from __future__ import annotations

from genco.evaluation.ope.clipped_ips import ClippedIPS
from genco.evaluation.ope.direct_method import DirectMethod
from genco.evaluation.ope.doubly_robust import DoublyRobust
from genco.evaluation.ope.ips import IPS
from genco.evaluation.ope.pseudo_inverse import PseudoInverse
from genco.evaluation.ope.snips import SNIPS
from genco.evaluation.ope.switch_dr import SwitchDR

__all__ = ["IPS", "SNIPS", "ClippedIPS", "DirectMethod", "DoublyRobust", "PseudoInverse", "SwitchDR"]
