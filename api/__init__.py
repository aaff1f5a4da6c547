"""FaceFlow's application: upload, de-duplicate, group, correct and share photos.

It runs on one machine with nothing but Python (`python -m api`); every outside thing stands behind
a small protocol, so that the same domain code runs on AWS.
"""
