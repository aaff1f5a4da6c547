"""Other people's detectors and recognisers, measured beside this project where they are installed.

They are optional and come with their own weights; none is used for anything but comparison.
"""
