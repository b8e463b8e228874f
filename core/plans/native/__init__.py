"""A pass without Python between its operations.

run.c      runs a table of BLAS products and NumPy loops          records    one operation as words of a table
library    its functions, and where NumPy's loops are             program    tables
"""
