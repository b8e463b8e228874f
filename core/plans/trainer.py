"""Training in place: the fast path of SGD over many steps, on one working copy of the parameters.

Invariant: after the same batches a `Trainer` holds what the same calls of `sgd_step` return, up to rounding.
It owns its parameters: they are copied in, moved in place, and copied out.
"""
