"""The fast path on a CUDA device, through CuPy.

kernels    activations and heads as fused kernels      blas    the products, bound to cuBLAS      plan       one pass
rules      optimizers that never wait for the device   feed    batches, copied while it computes  trainer    the way in

Nothing here has run on a CUDA device yet. Its tests run the text of the kernels on the CPU, on a model of the parts of CuPy that
it calls; those marked `gpu` and `python -m benchmarks.gpu` are ready for a device.
"""
