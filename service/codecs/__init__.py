"""Bytes become arrays and arrays become bytes here, and nowhere else.

A *document* is one nested dict in the shape of the JSON form, whichever media type it came in. Its array leaves are
nested lists after JSON and NumPy arrays after safetensors; `arrays` makes one of both.
"""
