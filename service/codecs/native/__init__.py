"""Rows of numbers in JSON, read by C.

rows.c     reads them                                         library    calls it
"""
