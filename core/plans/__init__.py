"""The fast path: passes compiled into bound calls of BLAS and ufuncs, for NumPy.

calls      what a pass is made of     native     many of them as one       openblas   where the products are
blas       the products, bound        kernels    activations in place      heads      delta^L and the cost
working    the numbers, in the order that products like best
buffers    the memory of a pass       updates    what a product becomes    plan       one pass, compiled
batches    what may enter a plan      cache      the plans that are kept   threads    how many work on a product
rules      optimizers on a plan       trainer, predictor, gradients        the public ways in
cuda       the same on a device       choice     the trainer of a backend
"""
