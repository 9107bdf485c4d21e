"""Scripts that generate parts of the repository: pictures, references, the sample call, libraries.

They are not part of the wheel.
"""
