"""The fast path: passes compiled into bound BLAS and ufunc calls, for NumPy.

blas       the products, bound        kernels    activations in place      heads    delta^L and the cost
updates    what becomes of a product  plan       one pass, compiled
rules      optimizers on a plan       trainer    training in place: the public way in
"""
