"""A pass without Python between its operations.

run.c      runs a table of BLAS products and NumPy loops          build      compiles it, when the package is built
library    its functions, and where NumPy's loops are             records    one operation as words of a table
program    tables
"""
