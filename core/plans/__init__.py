"""The fast path: passes compiled into bound BLAS and ufunc calls, for NumPy.

blas       the products, bound        kernels    activations in place      heads      delta^L and the cost
working    the numbers, in the order that products like best          openblas   the newest one, for large products
buffers    the memory of a pass       updates    what a product becomes    plan       one pass, compiled
batches    what may enter a plan      cache      the plans that are kept   threads    how many work on a product
rules      optimizers on a plan       trainer, predictor, gradients        the public ways in
cuda       the same on a device       choice     the trainer of a backend
"""
